"""The Add of a shortcut disappears into the XNOR convolution before it."""

import numpy as np
import pytest

from edgenet.exporter.passes import add_in_convolution
from tests.exporter.graphs import graph, node, operators, outputs
from tests.exporter.graphs import rewrite as apply
from tests.exporter.passes.convolutions import CHANNELS, SHAPE, convolution, image, operands


@pytest.mark.parametrize("sides", [["c", "x"], ["x", "c"]])
def test_becomes_one_node_with_the_very_same_result(sides):
    generator = np.random.default_rng(0)
    tensors = operands(generator, "conv")
    before = graph([convolution("x", "c", "conv", tensors), node("Add", sides, ["y"])], tensors, SHAPE)
    after, merged = apply(before, add_in_convolution)
    x = image(generator)
    assert merged == 1
    assert operators(after) == ["XnorConv2dAdd"]
    assert after.graph.node[0].name == "conv"
    assert list(after.graph.node[0].input) == ["x", *tensors, "x"]
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


def test_waits_for_a_shortcut_that_is_computed_after_the_convolution():
    generator = np.random.default_rng(1)
    tensors = operands(generator, "conv")
    nodes = [convolution("x", "c", "conv", tensors), node("Neg", ["x"], ["n"]), node("Add", ["c", "n"], ["y"])]
    before = graph(nodes, tensors, SHAPE)
    after, merged = apply(before, add_in_convolution)
    x = image(generator)
    assert merged == 1
    assert operators(after) == ["Neg", "XnorConv2dAdd"]
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


def test_of_two_convolutions_that_are_added_one_takes_the_other():
    generator = np.random.default_rng(2)
    tensors = operands(generator, "left") | operands(generator, "right")
    nodes = [
        convolution("x", "a", "left", tensors),
        convolution("x", "b", "right", tensors),
        node("Add", ["a", "b"], ["y"]),
    ]
    before = graph(nodes, tensors, SHAPE)
    after, merged = apply(before, add_in_convolution)
    x = image(generator)
    assert merged == 1
    assert sorted(operators(after)) == ["XnorConv2d", "XnorConv2dAdd"]
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


@pytest.mark.parametrize("shape", [[CHANNELS, 1, 1], [1, CHANNELS, 6, 6], [1]])
def test_is_left_alone_where_the_other_value_is_broadcast(shape):
    generator = np.random.default_rng(3)
    tensors = operands(generator, "conv")
    nodes = [convolution("x", "c", "conv", tensors), node("Add", ["c", "other"], ["y"])]
    before = graph(nodes, tensors | {"other": np.ones(shape, np.float32)}, SHAPE)
    after, merged = apply(before, add_in_convolution)
    assert merged == 0
    assert operators(after) == ["XnorConv2d", "Add"]


def test_is_left_alone_where_a_size_is_not_known():
    generator = np.random.default_rng(4)
    tensors = operands(generator, "conv")
    nodes = [convolution("x", "c", "conv", tensors), node("Add", ["c", "x"], ["y"])]
    _, merged = apply(graph(nodes, tensors, [None, *SHAPE[1:]]), add_in_convolution)
    assert merged == 0


@pytest.mark.parametrize("other", ["output", "reader", "itself"])
def test_is_left_alone_where_the_convolution_is_read_elsewhere_too(other):
    generator = np.random.default_rng(5)
    tensors = operands(generator, "conv")
    second = "c" if other == "itself" else "x"
    nodes = [convolution("x", "c", "conv", tensors), node("Add", ["c", second], ["y"])]
    results = {"output": ["y", "c"], "reader": ["y", "z"], "itself": ["y"]}[other]
    if other == "reader":
        nodes.append(node("Relu", ["c"], ["z"]))
    before = graph(nodes, tensors, SHAPE, outputs=results)
    after, merged = apply(before, add_in_convolution)
    assert merged == 0
    assert operators(after) == operators(before)
