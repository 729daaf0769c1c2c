"""Batch normalisation in front of an XNOR layer disappears into its thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenet.exporter.passes import turn_into_threshold
from tests.exporter.graphs import constants, graph, node, normalization_node, operators, outputs
from tests.exporter.graphs import rewrite as apply
from tests.exporter.operators import binary
from tests.reference import pack

GEOMETRY = {"strides": [1, 1], "pads": [1, 0, 1, 1], "dilations": [1, 1]}


def exact_normalization(generator, channels):
    """Parameters for which the normalisation has no rounding (with epsilon 0), so that before and after are equal."""
    return {
        "bn.gamma": generator.integers(-2, 3, channels).astype(np.float32),
        "bn.beta": generator.integers(-3, 4, channels).astype(np.float32),
        "bn.mean": generator.integers(-3, 4, channels).astype(np.float32),
        "bn.var": generator.choice(np.float32([0.25, 1, 4]), channels),
    }


def xnor_layer(generator, kind, inputs, results, group=1):
    shape = (results, inputs // group, 3, 2) if kind == "XnorConv2d" else (results, inputs)
    tensors = {
        "layer.threshold": generator.integers(-2, 3, inputs).astype(np.float32),
        "layer.weight": pack(binary(generator, *shape)),
        "layer.scale": generator.random(results, dtype=np.float32),
        "layer.bias": generator.normal(size=results).astype(np.float32),
    }
    attributes = {"weight_shape": list(shape), **(GEOMETRY | {"group": group} if kind == "XnorConv2d" else {})}
    return tensors, attributes


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["XnorConv2d", "XnorLinear"]), group=st.sampled_from([1, 2]), seed=st.integers(0, 2**32 - 1)
)
def test_the_result_is_equal_for_gammas_of_both_signs_and_zero_with_and_without_groups(kind, group, seed):
    generator = np.random.default_rng(seed)
    tensors, attributes = xnor_layer(generator, kind, 6, 4, group)
    shape = (2, 6, 5, 4) if kind == "XnorConv2d" else (2, 6)
    nodes = [normalization_node("x", "n", epsilon=0.0), node(kind, ["n", *tensors], ["y"], "layer", **attributes)]
    before = graph(nodes, tensors | exact_normalization(generator, 6), ["batch", *shape[1:]], len(shape))
    after, removed = apply(before, turn_into_threshold)
    x = (generator.integers(-8, 9, shape) / 2).astype(np.float32)
    assert removed == 1
    assert operators(after) == [kind]
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0])


def test_reaches_a_linear_layer_behind_a_flattening():
    generator = np.random.default_rng(0)
    tensors, attributes = xnor_layer(generator, "XnorLinear", 5 * 6, 4)
    nodes = [
        normalization_node("x", "n", epsilon=0.0),
        node("Flatten", ["n"], ["f"]),
        node("XnorLinear", ["f", *tensors], ["y"], "layer", **attributes),
    ]
    before = graph(nodes, tensors | exact_normalization(generator, 5), ["batch", 5, 2, 3], 2)
    after, removed = apply(before, turn_into_threshold)
    x = (generator.integers(-8, 9, (7, 5, 2, 3)) / 2).astype(np.float32)
    assert removed == 1
    assert operators(after) == ["Flatten", "XnorLinear"]
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0])


def test_two_readers_get_thresholds_of_their_own():
    generator = np.random.default_rng(1)
    tensors, attributes = xnor_layer(generator, "XnorLinear", 6, 4)
    nodes = [
        normalization_node("x", "n", epsilon=0.0),
        node("XnorLinear", ["n", *tensors], ["a"], "left", **attributes),
        node("XnorLinear", ["n", *tensors], ["b"], "right", **attributes),
        node("Add", ["a", "b"], ["y"]),
    ]
    before = graph(nodes, tensors | exact_normalization(generator, 6), ["batch", 6], 2)
    after, removed = apply(before, turn_into_threshold)
    x = (generator.integers(-8, 9, (7, 6)) / 2).astype(np.float32)
    assert removed == 1
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0])


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_threshold_is_the_first_float_on_the_right_side_of_the_exact_one(seed):
    generator = np.random.default_rng(seed)
    scale = 10.0 ** generator.integers(-3, 4)
    gamma, beta, mean, threshold = (generator.normal(size=(4, 5)) * scale).astype(np.float32)
    variance = generator.random(5, dtype=np.float32) + np.float32(0.01)
    parameters = {"bn.gamma": gamma, "bn.beta": beta, "bn.mean": mean, "bn.var": variance}
    tensors, attributes = xnor_layer(generator, "XnorLinear", 5, 1)
    tensors["layer.threshold"] = threshold
    tensors["layer.weight"] = pack(np.ones((1, 5)))
    nodes = [normalization_node("x", "n"), node("XnorLinear", ["n", *tensors], ["y"], "layer", **attributes)]
    after, _ = apply(graph(nodes, tensors | parameters, ["batch", 5], 2), turn_into_threshold)
    found = constants(after)
    limits = found["layer.threshold"]
    flipped = np.unpackbits(found["layer.weight"], axis=1, count=5, bitorder="little")[0] == 0
    np.testing.assert_array_equal(flipped, gamma < 0)
    epsilon = np.float64(np.float32(1e-5))
    exact = mean + (threshold.astype(np.float64) - beta) / (gamma / np.sqrt(variance.astype(np.float64) + epsilon))
    below = np.nextafter(limits, np.float32(-np.inf)).astype(np.float64)
    # Rising: limits >= exact > below. Falling: limits > exact >= below.
    rising = (limits >= exact) & (exact > below)
    falling = (limits > exact) & (exact >= below)
    assert np.where(gamma > 0, rising, falling).all()


def test_a_constant_sign_has_a_threshold_that_is_always_met():
    generator = np.random.default_rng(3)
    tensors, attributes = xnor_layer(generator, "XnorLinear", 2, 1)
    tensors |= {"layer.threshold": np.zeros(2, np.float32), "layer.weight": pack(np.ones((1, 2)))}
    parameters = {
        "bn.gamma": np.zeros(2, np.float32),
        "bn.beta": np.float32([0.5, -0.5]),
        "bn.mean": np.ones(2, np.float32),
        "bn.var": np.ones(2, np.float32),
    }
    nodes = [normalization_node("x", "n"), node("XnorLinear", ["n", *tensors], ["y"], "layer", **attributes)]
    after, _ = apply(graph(nodes, tensors | parameters, ["batch", 2], 2), turn_into_threshold)
    np.testing.assert_array_equal(constants(after)["layer.threshold"], [-np.inf, -np.inf])
    np.testing.assert_array_equal(constants(after)["layer.weight"], [[0b01]])


@pytest.mark.parametrize("other", ["Relu", "BwnLinear", "output"])
def test_is_left_alone_where_anything_else_reads_the_normalised_value(other):
    generator = np.random.default_rng(2)
    tensors, attributes = xnor_layer(generator, "XnorLinear", 6, 6)
    nodes = [normalization_node("x", "n"), node("XnorLinear", ["n", *tensors], ["a"], "layer", **attributes)]
    if other == "Relu":
        nodes.append(node("Relu", ["n"], ["b"]))
    elif other == "BwnLinear":
        weights = [name for name in tensors if name != "layer.threshold"]
        nodes.append(node("BwnLinear", ["n", *weights], ["b"], **attributes))
    results = {"output": ["a", "n"]}.get(other, ["a", "b"])
    before = graph(nodes, tensors | exact_normalization(generator, 6), ["batch", 6], 2, results)
    after, removed = apply(before, turn_into_threshold)
    assert removed == 0
    assert operators(after) == operators(before)
