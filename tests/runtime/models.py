"""Tiny ONNX models, made without torch, that the tests of runtime, bench, report and cli run."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 4
INPUTS = 64


def weights(seed: int = 0) -> np.ndarray:
    """Return [CLASSES, INPUTS] float32 weights of +1 and -1."""
    signs = np.random.default_rng(seed).integers(0, 2, (CLASSES, INPUTS))
    return (signs * 2 - 1).astype(np.float32)


def plain(path: Path) -> Path:
    """Write logits = input @ weights.T, float32 and standard operators only."""
    nodes = [helper.make_node("Gemm", ["input", "weight"], ["logits"], transB=1)]
    return _save(path, nodes, [numpy_helper.from_array(weights(), "weight")], [])


def xnor(path: Path) -> Path:
    """Write logits = XnorLinear(input): one `edgenet` node with its function in standard operators."""
    packed = np.packbits(weights() > 0, axis=1, bitorder="little")
    constants = {
        "threshold": np.zeros(INPUTS, np.float32),
        "weight": packed,
        "scale": np.full(CLASSES, 0.5, np.float32),
        "bias": np.zeros(CLASSES, np.float32),
    }
    node = helper.make_node(
        "XnorLinear", ["input", *constants], ["logits"], domain="edgenet", weight_shape=[CLASSES, INPUTS]
    )
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return _save(path, [node], initializers, [_xnor_linear()])


def recurrent(path: Path) -> Path:
    """Write an Elman step over a sequence: input [batch, time, INPUTS], state [1, batch, CLASSES] -> logits, state."""
    nodes = [
        helper.make_node("ReduceMean", ["input", "time"], ["mean"], keepdims=0),
        helper.make_node("Gemm", ["mean", "weight"], ["half"], transB=1),
        helper.make_node("Add", ["half", "state"], ["final_state"]),
        helper.make_node("ReduceSum", ["final_state", "layer"], ["logits"], keepdims=0),
    ]
    initializers = [
        numpy_helper.from_array(weights(), "weight"),
        numpy_helper.from_array(np.array([1]), "time"),
        numpy_helper.from_array(np.array([0]), "layer"),
    ]
    inputs = [_value("input", ["batch", "time", INPUTS]), _value("state", [1, "batch", CLASSES])]
    outputs = [_value("logits", ["batch", CLASSES]), _value("final_state", [1, "batch", CLASSES])]
    return _write(path, nodes, initializers, [], inputs, outputs)


def samples(path: Path, count: int = 40) -> Path:
    """Write inputs and the classes that the weights give them, so that the plain model's accuracy is 1."""
    inputs = np.random.default_rng(1).standard_normal((count, INPUTS)).astype(np.float32)
    np.savez_compressed(path, inputs=inputs, targets=(inputs @ weights().T).argmax(1))
    return path


def run_folder(folder: Path) -> Path:
    """Write a run folder with a full and an xnor file and held-out samples."""
    folder.mkdir(parents=True)
    plain(folder / "full.onnx")
    xnor(folder / "xnor.onnx")
    samples(folder / "samples.npz")
    return folder


def _value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(
    path: Path, nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto], functions: list[onnx.FunctionProto]
) -> Path:
    inputs, outputs = [_value("input", ["batch", INPUTS])], [_value("logits", ["batch", CLASSES])]
    return _write(path, nodes, initializers, functions, inputs, outputs)


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    initializers: list[onnx.TensorProto],
    functions: list[onnx.FunctionProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> Path:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("edgenet", 1)]
    model = helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=8)
    scheme = "xnor" if functions else "full"
    properties = {"scheme": scheme, "ends": "fp32", "model": "tiny", "task": "digits", "data": "digits"}
    properties |= {"operator_set": "1", "classes": json.dumps(["a", "b", "c", "d"])}
    helper.set_model_props(model, {f"edgenet.{key}": value for key, value in properties.items()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _xnor_linear() -> onnx.FunctionProto:
    def constant(name: str, value: np.ndarray) -> onnx.NodeProto:
        return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))

    table = ((np.arange(256)[:, None] >> np.arange(8)) & 1) * 2 - 1
    nodes = [
        constant("plus", np.float32(1)),
        constant("minus", np.float32(-1)),
        constant("table", table.astype(np.float32)),
        constant("rows", np.array([0, -1])),
        helper.make_node("GreaterOrEqual", ["x", "threshold"], ["above"]),
        helper.make_node("Where", ["above", "plus", "minus"], ["signs"]),
        helper.make_node("Cast", ["weight"], ["index"], to=TensorProto.INT32),
        helper.make_node("Gather", ["table", "index"], ["bits"], axis=0),
        helper.make_node("Reshape", ["bits", "rows"], ["unpacked"]),
        helper.make_node("Transpose", ["unpacked"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["signs", "turned"], ["dot"]),
        helper.make_node("Mul", ["dot", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["y"]),
    ]
    names = ["x", "threshold", "weight", "scale", "bias"]
    return helper.make_function(
        "edgenet", "XnorLinear", names, ["y"], nodes, [helper.make_opsetid("", 18)], ["weight_shape"]
    )
