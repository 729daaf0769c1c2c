"""A Relu disappears into the int8 convolution before it."""

import numpy as np
import pytest

from edgenet.exporter.passes import apply_relu_in_int8
from tests.exporter.graphs import graph, node, operators, outputs
from tests.exporter.graphs import rewrite as apply

ATTRIBUTES = {"weight_shape": [4, 3, 3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}


def layer(generator):
    scale, bias = generator.normal(size=(2, 4)).astype(np.float32)
    return {"conv.weight": generator.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8), "scale": scale, "bias": bias}


def test_becomes_one_node_with_the_very_same_result():
    generator = np.random.default_rng(0)
    tensors = layer(generator)
    nodes = [node("Int8Conv2d", ["x", *tensors], ["c"], "conv", **ATTRIBUTES), node("Relu", ["c"], ["y"])]
    before = graph(nodes, tensors, ["batch", 3, 7, 7])
    after, merged = apply(before, apply_relu_in_int8)
    x = generator.normal(size=(2, 3, 7, 7)).astype(np.float32)
    assert merged == 1
    assert operators(after) == ["Int8Conv2dRelu"]
    assert after.graph.node[0].name == "conv"
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


@pytest.mark.parametrize("kept", [["y", "c"], ["y", "z"]])
def test_is_left_alone_where_the_negative_values_are_read(kept):
    tensors = layer(np.random.default_rng(1))
    nodes = [node("Int8Conv2d", ["x", *tensors], ["c"], "conv", **ATTRIBUTES), node("Relu", ["c"], ["y"])]
    nodes += [node("Neg", ["c"], ["z"])] if "z" in kept else []
    before = graph(nodes, tensors, ["batch", 3, 7, 7], outputs=kept)
    after, merged = apply(before, apply_relu_in_int8)
    assert merged == 0
    assert operators(after) == operators(before)
