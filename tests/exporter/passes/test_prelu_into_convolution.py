"""PRelu and LeakyRelu disappear into the XNOR convolution before them."""

import numpy as np
import pytest

from edgenet.exporter.passes import add_in_convolution, apply_prelu_in_convolution
from tests.exporter.graphs import constants, graph, node, operators, outputs
from tests.exporter.graphs import rewrite as apply
from tests.exporter.passes.convolutions import CHANNELS, SHAPE, convolution, image, operands


@pytest.mark.parametrize("shape", [(CHANNELS, 1, 1), (1, CHANNELS, 1, 1), (1,), (1, 1, 1)])
def test_becomes_one_node_with_one_slope_a_channel(shape):
    generator = np.random.default_rng(0)
    tensors = operands(generator, "conv")
    slope = generator.normal(size=shape).astype(np.float32)
    nodes = [convolution("x", "c", "conv", tensors), node("PRelu", ["c", "slope"], ["y"])]
    before = graph(nodes, tensors | {"slope": slope}, SHAPE)
    after, merged = apply(before, apply_prelu_in_convolution)
    x = image(generator)
    assert merged == 1
    assert operators(after) == ["XnorConv2dPrelu"]
    np.testing.assert_array_equal(constants(after)["conv.slope"], np.broadcast_to(slope.reshape(-1), CHANNELS))
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


def test_takes_a_leaky_relu_after_a_shortcut():
    generator = np.random.default_rng(1)
    tensors = operands(generator, "conv")
    nodes = [
        convolution("x", "c", "conv", tensors),
        node("Add", ["c", "x"], ["a"]),
        node("LeakyRelu", ["a"], ["y"], alpha=0.25),
    ]
    before = graph(nodes, tensors, SHAPE)
    after, merged = apply(before, add_in_convolution, apply_prelu_in_convolution)
    x = image(generator)
    assert merged == 1
    assert operators(after) == ["XnorConv2dAddPrelu"]
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


def test_an_activation_before_a_shortcut_leaves_the_shortcut_outside():
    generator = np.random.default_rng(2)
    tensors = operands(generator, "conv")
    nodes = [
        convolution("x", "c", "conv", tensors),
        node("LeakyRelu", ["c"], ["a"]),
        node("Add", ["a", "x"], ["y"]),
    ]
    before = graph(nodes, tensors, SHAPE)
    after, _ = apply(before, apply_prelu_in_convolution, add_in_convolution)
    x = image(generator)
    assert operators(after) == ["XnorConv2dPrelu", "Add"]
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


def test_is_left_alone_where_slopes_are_computed_or_not_by_channel_or_the_value_is_read_elsewhere():
    generator = np.random.default_rng(3)
    tensors = operands(generator, "conv")
    first = convolution("x", "c", "conv", tensors)
    cases = [
        ([first, node("PRelu", ["c", "x"], ["y"])], {}, ["y"]),
        ([first, node("PRelu", ["c", "slope"], ["y"])], {"slope": np.ones((1, 6), np.float32)}, ["y"]),
        ([first, node("LeakyRelu", ["c"], ["y"])], {}, ["y", "c"]),
    ]
    for nodes, slope, results in cases:
        _, merged = apply(graph(nodes, tensors | slope, SHAPE, outputs=results), apply_prelu_in_convolution)
        assert merged == 0
