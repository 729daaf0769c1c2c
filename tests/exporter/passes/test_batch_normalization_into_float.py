"""Batch normalisation after a float layer disappears into its weights and bias."""

import numpy as np
import pytest

from edgenet.exporter.passes import fold_into_float
from tests.exporter.graphs import batch_normalization, graph, node, normalization_node, operators, outputs
from tests.exporter.graphs import rewrite as apply


def floats(generator, *shape):
    return generator.normal(size=shape).astype(np.float32)


CASES = {
    "Conv": ("Conv", (8, 4, 3, 3), {"group": 2}, (3, 8, 6, 6)),
    "Gemm": ("Gemm", (5, 8), {}, (3, 5)),
    "Gemm with transposed weights": ("Gemm", (8, 5), {"transB": 1}, (3, 5)),
    "MatMul": ("MatMul", (5, 8), {}, (3, 5)),
}


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_becomes_one_node_with_the_same_result(case, has_bias):
    kind, weight_shape, attributes, shape = CASES[case]
    generator = np.random.default_rng(0)
    tensors = {"layer.weight": floats(generator, *weight_shape)}
    if has_bias and kind != "MatMul":
        tensors["layer.bias"] = floats(generator, 8)
    nodes = [node(kind, ["x", *tensors], ["z"], "layer", **attributes), normalization_node("z", "y")]
    before = graph(nodes, tensors | batch_normalization(generator, 8), ["batch", *shape[1:]], len(shape))
    after, folded = apply(before, fold_into_float)
    x = floats(generator, *shape)
    assert folded == 1
    assert operators(after) == ["Gemm" if kind == "MatMul" else kind]
    np.testing.assert_allclose(outputs(after, x)[0], outputs(before, x)[0], rtol=1e-4, atol=1e-5)


def test_weights_that_two_layers_share_are_folded_for_one_of_them_alone():
    generator = np.random.default_rng(1)
    nodes = [
        node("MatMul", ["x", "w"], ["a"], "first"),
        normalization_node("a", "b"),
        node("MatMul", ["b", "w"], ["y"], "second"),
    ]
    before = graph(nodes, {"w": floats(generator, 5, 5)} | batch_normalization(generator, 5), ["batch", 5], 2)
    after, folded = apply(before, fold_into_float)
    x = floats(generator, 3, 5)
    assert folded == 1
    assert operators(after) == ["Gemm", "MatMul"]
    np.testing.assert_allclose(outputs(after, x)[0], outputs(before, x)[0], rtol=1e-4, atol=1e-5)


def test_is_left_alone_where_the_result_is_also_an_output_or_the_weights_are_computed():
    generator = np.random.default_rng(2)
    parameters = batch_normalization(generator, 5)
    nodes = [node("MatMul", ["x", "w"], ["z"]), normalization_node("z", "y")]
    weights = {"w": floats(generator, 5, 5)}
    _, folded = apply(graph(nodes, weights | parameters, ["batch", 5], 2, ["y", "z"]), fold_into_float)
    assert folded == 0
    nodes = [node("MatMul", ["x", "x"], ["z"]), normalization_node("z", "y")]
    _, folded = apply(graph(nodes, parameters, [5, 5], 2), fold_into_float)
    assert folded == 0
