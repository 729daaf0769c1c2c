"""XNOR convolutions hand each other packed signs where nothing needs the floats."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from edgenet.exporter.passes import (
    add_in_convolution,
    apply_prelu_in_convolution,
    pass_signs_between_layers,
    turn_into_threshold,
)
from tests.exporter.graphs import constants, graph, node, normalization_node, operators, outputs
from tests.exporter.graphs import rewrite as apply
from tests.exporter.passes.convolutions import CHANNELS, SHAPE, convolution, image, operands
from tests.exporter.passes.test_batch_normalization_to_threshold import exact_normalization

POOL = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 1, 0, 0]}


def assert_same(after, before, generator):
    x = image(generator)
    for one, other in zip(outputs(after, x), outputs(before, x), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def test_two_convolutions_exchange_signs():
    generator = np.random.default_rng(0)
    tensors = operands(generator, "first") | operands(generator, "second")
    nodes = [convolution("x", "a", "first", tensors), convolution("a", "y", "second", tensors)]
    before = graph(nodes, tensors, SHAPE)
    after, count = apply(before, pass_signs_between_layers)
    assert count == 1
    assert operators(after) == ["XnorConv2dToSigns", "XnorConv2dFromSigns"]
    assert [entry.name for entry in after.graph.node] == ["first", "second"]
    np.testing.assert_array_equal(constants(after)["first.next_threshold"], tensors["second.threshold"])
    assert_same(after, before, generator)


def test_a_chain_of_three_takes_and_gives_signs_in_the_middle():
    generator = np.random.default_rng(1)
    tensors = operands(generator, "first") | operands(generator, "second") | operands(generator, "third")
    nodes = [
        convolution("x", "a", "first", tensors),
        convolution("a", "b", "second", tensors),
        convolution("b", "y", "third", tensors),
    ]
    before = graph(nodes, tensors, SHAPE)
    after, count = apply(before, pass_signs_between_layers)
    assert count == 2
    assert operators(after) == ["XnorConv2dToSigns", "XnorConv2dFromSignsToSigns", "XnorConv2dFromSigns"]
    assert_same(after, before, generator)


@settings(max_examples=20, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padded=st.tuples(*[st.booleans()] * 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_max_pooling_between_them_pools_signs(kernel, strides, padded, seed):
    generator = np.random.default_rng(seed)
    tensors = operands(generator, "first") | operands(generator, "second")
    pads = [min(int(pad), kernel[index % 2] - 1) for index, pad in enumerate(padded)]
    pool = node("MaxPool", ["a"], ["p"], "pool", kernel_shape=kernel, strides=strides, pads=pads, ceil_mode=0)
    nodes = [convolution("x", "a", "first", tensors), pool, convolution("p", "y", "second", tensors)]
    before = graph(nodes, tensors, SHAPE)
    after, count = apply(before, pass_signs_between_layers)
    assert count == 1
    assert operators(after) == ["XnorConv2dToSigns", "SignMaxPool2d", "XnorConv2dFromSigns"]
    assert after.graph.node[1].name == "pool"
    assert_same(after, before, generator)


def test_the_values_in_between_have_the_type_and_shape_of_packed_signs():
    generator = np.random.default_rng(2)
    tensors = operands(generator, "first") | operands(generator, "second")
    pool = node("MaxPool", ["a"], ["p"], kernel_shape=[2, 2], strides=[2, 2])
    nodes = [convolution("x", "a", "first", tensors), pool, convolution("p", "y", "second", tensors)]
    after, _ = apply(graph(nodes, tensors, SHAPE), pass_signs_between_layers)
    values = {value.name: value.type.tensor_type for value in after.graph.value_info}
    found = {name: [dim.dim_param or dim.dim_value for dim in values[name].shape.dim] for name in ("a", "p")}
    assert found == {"a": ["batch", 2, 6, 6], "p": ["batch", 2, 3, 3]}
    assert {values[name].elem_type for name in found} == {TensorProto.UINT8}


def test_goes_through_identities_and_dropout_to_two_readers_with_equal_thresholds():
    generator = np.random.default_rng(3)
    limits = generator.normal(size=CHANNELS).astype(np.float32)
    tensors = operands(generator, "first")
    tensors |= operands(generator, "left", limits) | operands(generator, "right", limits)
    nodes = [
        convolution("x", "a", "first", tensors),
        node("Identity", ["a"], ["i"]),
        node("Dropout", ["i"], ["d"]),
        convolution("d", "l", "left", tensors),
        convolution("a", "r", "right", tensors),
        node("Concat", ["l", "r"], ["y"], axis=1),
    ]
    before = graph(nodes, tensors, SHAPE)
    after, count = apply(before, pass_signs_between_layers)
    assert count == 1
    assert operators(after) == ["XnorConv2dToSigns", "XnorConv2dFromSigns", "XnorConv2dFromSigns", "Concat"]
    assert_same(after, before, generator)


def test_shortcut_activation_and_normalisation_come_before_the_signs():
    generator = np.random.default_rng(4)
    tensors = operands(generator, "first") | operands(generator, "second", np.zeros(CHANNELS, np.float32))
    nodes = [
        convolution("x", "c", "first", tensors),
        node("Add", ["c", "x"], ["s"]),
        node("LeakyRelu", ["s"], ["r"], alpha=0.5),
        normalization_node("r", "n", epsilon=0.0),
        convolution("n", "y", "second", tensors),
    ]
    before = graph(nodes, tensors | exact_normalization(generator, CHANNELS), SHAPE)
    passes = [turn_into_threshold, add_in_convolution, apply_prelu_in_convolution, pass_signs_between_layers]
    after, count = apply(before, *passes)
    assert count == 1
    assert operators(after) == ["XnorConv2dAddPreluToSigns", "XnorConv2dFromSigns"]
    assert_same(after, before, generator)


def test_a_shortcut_that_reads_the_floats_keeps_them():
    generator = np.random.default_rng(5)
    tensors = operands(generator, "first") | operands(generator, "second")
    nodes = [
        convolution("x", "a", "first", tensors),
        convolution("a", "b", "second", tensors),
        node("Add", ["b", "a"], ["y"]),
    ]
    before = graph(nodes, tensors, SHAPE)
    after, count = apply(before, add_in_convolution, pass_signs_between_layers)
    assert count == 0
    assert operators(after) == ["XnorConv2d", "XnorConv2dAdd"]
    assert_same(after, before, generator)


def _thresholds_differ(nodes, tensors):
    nodes.append(convolution("a", "z", "third", tensors))
    return ["y", "z"]


def _relu_reads_it(nodes, tensors):
    nodes.append(node("Relu", ["a"], ["z"]))
    return ["y", "z"]


def _it_is_an_output(nodes, tensors):
    return ["y", "a"]


@pytest.mark.parametrize("change", [_thresholds_differ, _relu_reads_it, _it_is_an_output])
def test_is_left_alone_where_something_else_reads_the_floats(change):
    generator = np.random.default_rng(6)
    tensors = operands(generator, "first") | operands(generator, "second") | operands(generator, "third")
    nodes = [convolution("x", "a", "first", tensors), convolution("a", "y", "second", tensors)]
    before = graph(nodes, tensors, SHAPE, outputs=change(nodes, tensors))
    after, count = apply(before, pass_signs_between_layers)
    assert count == 0
    assert operators(after) == operators(before)


@pytest.mark.parametrize(
    "attributes",
    [
        POOL | {"ceil_mode": 1},
        {"kernel_shape": [2, 2], "dilations": [2, 2]},
        {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"},
    ],
)
def test_a_pooling_that_has_no_counterpart_stays_and_the_floats_with_it(attributes):
    generator = np.random.default_rng(7)
    tensors = operands(generator, "first") | operands(generator, "second")
    pool = node("MaxPool", ["a"], ["p"], **attributes)
    nodes = [convolution("x", "a", "first", tensors), pool, convolution("p", "y", "second", tensors)]
    after, count = apply(graph(nodes, tensors, SHAPE), pass_signs_between_layers)
    assert count == 0
    assert operators(after) == ["XnorConv2d", "MaxPool", "XnorConv2d"]


def test_two_poolings_in_a_row_keep_their_floats():
    generator = np.random.default_rng(8)
    tensors = operands(generator, "first") | operands(generator, "second")
    pools = [node("MaxPool", [a], [b], f"pool_{b}", kernel_shape=[2, 2]) for a, b in (("a", "p"), ("p", "q"))]
    nodes = [convolution("x", "a", "first", tensors), *pools, convolution("q", "y", "second", tensors)]
    after, count = apply(graph(nodes, tensors, SHAPE), pass_signs_between_layers)
    assert count == 0
    assert "SignMaxPool2d" not in operators(after)


def test_the_rewritten_file_is_valid_onnx():
    generator = np.random.default_rng(9)
    tensors = operands(generator, "first") | operands(generator, "second")
    nodes = [convolution("x", "a", "first", tensors), convolution("a", "y", "second", tensors)]
    after, _ = apply(graph(nodes, tensors, SHAPE), pass_signs_between_layers)
    onnx.checker.check_model(after, full_check=True)
