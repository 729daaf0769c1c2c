"""A MaxPool disappears into the int8 convolution with Relu before it."""

import numpy as np
import pytest

from edgenet.exporter.passes import take_maxima_in_int8
from tests.exporter.graphs import graph, node, operators, outputs
from tests.exporter.graphs import rewrite as apply

ATTRIBUTES = {"weight_shape": [4, 3, 3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}
POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}


def network(pool, kept=("y",)):
    generator = np.random.default_rng(0)
    scale, bias = generator.normal(size=(2, 4)).astype(np.float32)
    weight = generator.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    tensors = {"conv.weight": weight, "scale": scale, "bias": bias}
    convolution = node("Int8Conv2dRelu", ["x", *tensors], ["c"], "conv", **ATTRIBUTES)
    nodes = [convolution, node("MaxPool", ["c"], ["y"], **pool)]
    return graph(nodes, tensors, ["batch", 3, 15, 15], outputs=kept)


@pytest.mark.parametrize("pool", [POOL, {"kernel_shape": [2, 3]}])
def test_becomes_one_node_with_the_very_same_result(pool):
    before = network(pool)
    after, merged = apply(before, take_maxima_in_int8)
    x = np.random.default_rng(1).normal(size=(2, 3, 15, 15)).astype(np.float32)
    assert merged == 1
    assert operators(after) == ["Int8Conv2dReluMaxPool"]
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


@pytest.mark.parametrize(
    ("pool", "kept"),
    [(POOL, ("y", "c")), (POOL | {"ceil_mode": 1}, ("y",)), (POOL | {"dilations": [2, 2]}, ("y",))],
)
def test_is_left_alone_where_it_is_more_than_that_or_the_rest_is_read_too(pool, kept):
    before = network(pool, kept)
    after, merged = apply(before, take_maxima_in_int8)
    assert merged == 0
    assert operators(after) == operators(before)
