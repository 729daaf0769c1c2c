"""Peak memory of activations, from the graph that ONNX Runtime really executes."""

import math
from collections.abc import Mapping

import numpy as np
import onnx

from edgenet.bench.recording import KERNEL, Recorder, Runs, model_runs, record, within_run

# ONNX Runtime lets these write over an input that nobody reads any more, or hands their input on as it is.
_IN_PLACE = {
    "Add", "BatchNormalization", "Cast", "Clip", "Div", "Dropout", "Elu", "Flatten", "HardSigmoid", "HardSwish",
    "Identity", "LeakyRelu", "Mul", "Neg", "PRelu", "Relu", "Reshape", "Round", "Sigmoid", "Softmax", "Sqrt",
    "Squeeze", "Sub", "Tanh", "Unsqueeze", "Where",
}  # fmt: skip
_BYTES = {"float": 4, "double": 8, "float16": 2, "bfloat16": 2, "int64": 8, "uint64": 8, "int32": 4, "uint32": 4}


def peak_bytes(
    file: str, native: bool | None, feeds: Mapping[str, np.ndarray], recorder: Recorder = record
) -> int | None:
    """Return the most bytes of inputs, intermediate results and outputs that are alive at once, for these feeds.

    The optimised graph gives who reads what, a profile of one run gives order and sizes; an elementwise result takes
    the place of an input that dies there. Weights and a kernel's own scratch memory do not count. None where the
    profile does not name every node, or the weights lie outside of the file.
    """
    model = _with_names(file)
    if model is None:
        return None
    profile, graph = recorder(model, native, feeds, Runs(seconds=0.0, least=1, most=1, shapes=True))
    nodes: dict[str, onnx.NodeProto] = {node.name: node for node in graph.node}
    events = within_run(model_runs(profile)[-1], profile)
    names = [event["name"].removesuffix(KERNEL) for event in events]
    if len(nodes) != len(graph.node) or not nodes.keys() >= set(names):
        return None
    order = [nodes[name] for name in names]
    sizes = {name: array.nbytes for name, array in feeds.items()}
    for node, event in zip(order, events, strict=True):
        shapes = event["args"].get("output_type_shape") or []
        for name, described in zip(filter(None, node.output), shapes, strict=False):
            sizes[name] = _size(described)
    return _peak(order, sizes, {value.name for value in graph.output}, feeds)


def _with_names(file: str) -> bytes | None:
    """Return the model with a name on every node, by which profile and optimised graph are brought together."""
    model = onnx.load(file, load_external_data=False)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        return None
    for graph in (model.graph, *model.functions):
        for index, node in enumerate(graph.node):
            node.name = f"{node.op_type}-{index}"
    return model.SerializeToString()


def _size(described: Mapping[str, list[int]]) -> int:
    ((kind, shape),) = described.items()
    return math.prod(shape) * _BYTES.get(kind, 1)


def _peak(
    order: list[onnx.NodeProto], sizes: Mapping[str, int], kept: set[str], feeds: Mapping[str, np.ndarray]
) -> int:
    last_use = {name: step for step, node in enumerate(order) for name in _read(node)}
    alive = {name: sizes[name] for name in feeds}
    peak = sum(alive.values())
    for step, node in enumerate(order):
        dying = [n for n in set(_read(node)) if n in alive and last_use[n] == step and n not in kept and n not in feeds]
        if node.op_type in _IN_PLACE:
            same = next((name for name in dying if alive[name] == sizes.get(node.output[0])), None)
            if same is not None:
                del alive[same]
        alive.update({name: sizes.get(name, 0) for name in node.output if name})
        peak = max(peak, sum(alive.values()))
        for name in dying:
            alive.pop(name, None)
        # A result that nobody reads is given back at once.
        for name in node.output:
            if name not in last_use and name not in kept:
                alive.pop(name, None)
    return peak


def _read(node: onnx.NodeProto) -> list[str]:
    """Names that a node reads, those inside its subgraphs included."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            names.extend(name for inner in graph.node for name in _read(inner))
    return names
