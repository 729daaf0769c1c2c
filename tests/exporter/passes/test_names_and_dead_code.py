"""Nodes and constants bear the names of the layers they come from; what nothing reads goes."""

import numpy as np
import onnx_ir as ir

from edgenet.exporter.passes import name_constants, name_nodes, remove_dead_code
from tests.exporter.graphs import constants, graph, node, operators
from tests.exporter.graphs import rewrite as apply

SCOPES = "pkg.torch.onnx.name_scopes"


def ones(*shape):
    return np.ones(shape, np.float32)


def test_a_layers_node_bears_its_path_and_the_others_their_operator_besides():
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[1, 0]),
        node("MatMul", ["t", "val_3"], ["m"]),
        node("Add", ["m", "block.0.fc.bias"], ["a"]),
        node("Relu", ["a"], ["r"]),
        node("Relu", ["r"], ["y"]),
    ]
    made = graph(nodes, {"val_3": ones(3, 3), "block.0.fc.bias": ones(3)}, [3, 3], 2)
    model = ir.from_proto(made)
    scopes = [["", "block", "block.0", "block.0.fc", "linear"]] * 3 + [["", "block", "relu"], ["", "relu"]]
    for entry, scope in zip(model.graph, scopes, strict=True):
        entry.metadata_props[SCOPES] = repr(scope)
        entry.metadata_props["pkg.torch.onnx.stack_trace"] = "line 1"
        entry.doc_string = "from torch"
    name_nodes(model)
    names = [entry.name for entry in model.graph]
    assert names == ["block.0.fc/transpose", "block.0.fc", "block.0.fc/add", "block/relu", "relu"]
    assert not any(entry.metadata_props or entry.doc_string for entry in model.graph)


def test_names_are_unique():
    nodes = [node("Relu", ["x"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])]
    after, _ = apply(graph(nodes, {}, [2, 2], 2), name_nodes)
    assert [entry.name for entry in after.graph.node] == ["relu", "relu_1", "relu_2"]


def test_a_folded_convolution_is_named_after_its_own_weights():
    made = graph([node("Conv", ["x", "conv1.weight"], ["y"])], {"conv1.weight": ones(2, 2, 1, 1)}, [1, 2, 3, 3])
    model = ir.from_proto(made)
    model.graph[0].metadata_props[SCOPES] = "['', 'bn1', 'batch_norm']"
    name_nodes(model)
    assert model.graph[0].name == "conv1"


def test_constants_are_named_by_layer_and_role_and_shared_ones_say_so():
    attributes = {"weight_shape": [2, 2]}
    nodes = [
        node("BwnLinear", ["x", "a", "b", "c"], ["h"], "first", **attributes),
        node("BwnLinear", ["h", "d", "e", "c"], ["y"], "second", **attributes),
    ]
    bits = np.ones((2, 1), np.uint8)
    tensors = {"a": bits, "b": ones(2), "c": ones(2), "d": bits, "e": ones(2)}
    after, renamed = apply(graph(nodes, tensors, ["batch", 2], 2), name_constants)
    assert renamed == 5
    assert set(constants(after)) == {"first.weight", "first.scale", "shared.bias", "second.weight", "second.scale"}
    assert list(after.graph.node[1].input) == ["h", "second.weight", "second.scale", "shared.bias"]


def test_unused_nodes_identities_and_constants_are_removed():
    nodes = [
        node("Identity", ["x"], ["i"]),
        node("Relu", ["i"], ["y"]),
        node("Add", ["i", "unused"], ["nowhere"]),
    ]
    after, removed = apply(graph(nodes, {"unused": ones(2)}, [2, 2], 2), remove_dead_code)
    assert operators(after) == ["Relu"]
    assert not after.graph.initializer
    assert removed == 3
    assert [entry.domain for entry in after.opset_import] == [""]
