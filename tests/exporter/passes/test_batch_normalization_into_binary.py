"""Batch normalisation after an edgenet layer disappears into its scale and bias."""

import numpy as np
import pytest

from edgenet.exporter.passes import fold_into_binary
from tests.exporter.graphs import batch_normalization, constants, graph, node, normalization_node, operators, outputs
from tests.exporter.graphs import rewrite as apply
from tests.exporter.operators import binary
from tests.reference import pack

GEOMETRY = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}


def layer(generator, kind, prefix="layer"):
    """Name and tensors of a layer with 5 inputs and 4 outputs, and its attributes."""
    shape = (4, 5, 3, 3) if "Conv2d" in kind else (4, 5)
    whole = generator.integers(-127, 128, shape).astype(np.int8)
    tensors = {
        "threshold": np.zeros(5, np.float32),
        "weight": whole if kind.startswith("Int8") else pack(binary(generator, *shape)),
        "scale": generator.random(4, dtype=np.float32),
        "bias": generator.normal(size=4).astype(np.float32),
    }
    if not kind.startswith("Xnor"):
        del tensors["threshold"]
    attributes = {"weight_shape": list(shape), **(GEOMETRY if "Conv2d" in kind else {})}
    return {f"{prefix}.{name}": value for name, value in tensors.items()}, attributes


LAYERS = ["XnorConv2d", "BwnConv2d", "BwnConv2dInt8", "Int8Conv2d", "XnorLinear", "BwnLinear", "Int8Linear"]


@pytest.mark.parametrize("kind", LAYERS)
def test_becomes_one_node_with_the_same_result(kind):
    generator = np.random.default_rng(0)
    tensors, attributes = layer(generator, kind)
    shape = (3, 5, 6, 6) if "Conv2d" in kind else (3, 5)
    nodes = [node(kind, ["x", *tensors], ["z"], "layer", **attributes), normalization_node("z", "y")]
    before = graph(nodes, tensors | batch_normalization(generator, 4), ["batch", *shape[1:]], len(shape))
    after, folded = apply(before, fold_into_binary)
    x = generator.normal(size=shape).astype(np.float32)
    assert folded == 1
    assert operators(after) == [kind]
    assert after.graph.output[0].name == "y"
    np.testing.assert_allclose(outputs(after, x)[0], outputs(before, x)[0], rtol=1e-5, atol=1e-5)


def test_a_scale_that_another_node_reads_too_stays_as_it_is():
    generator = np.random.default_rng(1)
    tensors, attributes = layer(generator, "BwnLinear")
    names = list(tensors)
    nodes = [
        node("BwnLinear", ["x", *names], ["z"], "layer", **attributes),
        normalization_node("z", "n"),
        node("Add", ["n", "layer.scale"], ["y"]),
    ]
    before = graph(nodes, tensors | batch_normalization(generator, 4), ["batch", 5], 2)
    after, _ = apply(before, fold_into_binary)
    x = generator.normal(size=(2, 5)).astype(np.float32)
    np.testing.assert_array_equal(constants(after)["layer.scale"], tensors["layer.scale"])
    np.testing.assert_allclose(outputs(after, x)[0], outputs(before, x)[0], rtol=1e-5, atol=1e-5)


def test_is_left_alone_where_something_else_reads_the_layer():
    generator = np.random.default_rng(2)
    tensors, attributes = layer(generator, "BwnLinear")
    nodes = [
        node("BwnLinear", ["x", *tensors], ["z"], "layer", **attributes),
        normalization_node("z", "n"),
        node("Add", ["n", "z"], ["y"]),
    ]
    before = graph(nodes, tensors | batch_normalization(generator, 4), ["batch", 5], 2)
    after, folded = apply(before, fold_into_binary)
    assert folded == 0
    assert operators(after) == ["BwnLinear", "BatchNormalization", "Add"]


def test_is_left_alone_behind_a_linear_layer_of_three_axes_whose_outputs_are_not_axis_one():
    generator = np.random.default_rng(3)
    tensors, attributes = layer(generator, "XnorLinear")
    nodes = [node("XnorLinear", ["x", *tensors], ["z"], "layer", **attributes), normalization_node("z", "y")]
    before = graph(nodes, tensors | batch_normalization(generator, 7), ["batch", 7, 5], 3)
    _, folded = apply(before, fold_into_binary)
    assert folded == 0
