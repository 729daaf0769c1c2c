"""One-operator networks, binary and full precision, made with onnx.helper; a case is one shape of both."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CONV_SHAPES = ((56, 64), (28, 128), (14, 256), (7, 512))
LINEAR_SIZE = 4096
RECURRENT_SIZE = 1024
RECURRENT_STEPS = 100


@dataclass(frozen=True)
class Case:
    """An operator at a shape: our model, ONNX Runtime's fp32 model of the same shape, and what both are fed."""

    op: str
    shape: str
    scheme: str
    model: bytes
    reference: bytes
    feeds: dict[str, np.ndarray]


def cases() -> dict[str, Callable[[], Case]]:
    """Return what makes each case, by name: the four 3x3 convolutions of ResNet-18, a large linear, an Elman layer."""
    makers: dict[str, Callable[[], Case]] = {}
    for scheme in ("xnor", "bwn"):
        for size, channels in CONV_SHAPES:
            name = f"conv3x3-{size}x{size}x{channels}-{scheme}"
            makers[name] = functools.partial(_conv3x3, size, channels, scheme)
    for scheme in ("xnor", "bwn"):
        makers[f"linear-{LINEAR_SIZE}-{scheme}"] = functools.partial(_linear, LINEAR_SIZE, scheme)
    for scheme in ("xnor", "bwn"):
        makers[f"rnn-{RECURRENT_SIZE}-{scheme}"] = functools.partial(_elman, RECURRENT_SIZE, RECURRENT_STEPS, scheme)
    return makers


class _Graph:
    """Collects nodes and constants of one model."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def floats(self, name: str, *shape: int) -> str:
        return self.constant(name, self.random.standard_normal(shape).astype(np.float32))

    def add(self, op: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: object) -> None:
        self.nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **attributes))

    def binary(
        self, op: str, x: str, rest: list[str], outputs: list[str], weight: list[int], **attributes: object
    ) -> None:
        """Add an `edgenet` operator whose weights have the shape [outputs, ...]; `rest` follows scale."""
        channels, per_output = weight[1], int(np.prod(weight[1:]))
        prefix = outputs[0]
        bits = self.random.integers(0, 2, (weight[0], per_output), dtype=np.uint8)
        packed = self.constant(f"{prefix}.weight", np.packbits(bits, axis=1, bitorder="little"))
        threshold = [self.floats(f"{prefix}.threshold", channels)] if self.scheme == "xnor" else []
        scale = self.floats(f"{prefix}.scale", weight[0])
        name = ("Xnor" if self.scheme == "xnor" else "Bwn") + op
        self.add(name, [x, *threshold, packed, scale, *rest], outputs, "edgenet", weight_shape=weight, **attributes)

    def save(self, inputs: dict[str, list[int]], output: tuple[str, list[int]]) -> bytes:
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
        result = helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])
        graph = helper.make_graph(self.nodes, "case", values, [result], self.tensors)
        imports = [helper.make_opsetid("", 18), helper.make_opsetid("edgenet", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


def _feeds(shape: list[int]) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(1).standard_normal(shape).astype(np.float32)}


def _conv3x3(size: int, channels: int, scheme: str) -> Case:
    shape, weight = [1, channels, size, size], [channels, channels, 3, 3]
    geometry = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}
    ours, fp32 = _Graph(scheme), _Graph("full")
    ours.binary("Conv2d", "x", [ours.floats("bias", channels)], ["y"], weight, **geometry)
    fp32.add("Conv", ["x", fp32.floats("weight", *weight), fp32.floats("bias", channels)], ["y"], **geometry)
    models = [graph.save({"x": shape}, ("y", shape)) for graph in (ours, fp32)]
    return Case("conv3x3", f"{size}x{size}x{channels}-{channels}", scheme, models[0], models[1], _feeds(shape))


def _linear(size: int, scheme: str) -> Case:
    ours, fp32 = _Graph(scheme), _Graph("full")
    ours.binary("Linear", "x", [ours.floats("bias", size)], ["y"], [size, size])
    fp32.add("Gemm", ["x", fp32.floats("weight", size, size), fp32.floats("bias", size)], ["y"], transB=1)
    models = [graph.save({"x": [1, size]}, ("y", [1, size])) for graph in (ours, fp32)]
    return Case("linear", f"{size}-{size}", scheme, models[0], models[1], _feeds([1, size]))


def _elman(size: int, steps: int, scheme: str) -> Case:
    """A whole layer: input half for all steps, recurrence, tanh; against ONNX Runtime's RNN operator."""
    shape = [steps, 1, size]
    ours, fp32 = _Graph(scheme), _Graph("full")
    ours.binary("Linear", "x", [ours.floats("bias", size)], ["u"], [size, size])
    ours.binary(
        "Recurrence", "u", [ours.constant("initial", np.zeros((1, size), np.float32))], ["p", "final"], [size, size]
    )
    ours.add("Tanh", ["p"], ["y"])
    weights = [fp32.floats("w", 1, size, size), fp32.floats("r", 1, size, size), fp32.floats("b", 1, 2 * size)]
    fp32.add("RNN", ["x", *weights], ["y"], hidden_size=size)
    models = [ours.save({"x": shape}, ("y", shape)), fp32.save({"x": shape}, ("y", [steps, 1, 1, size]))]
    return Case("rnn", f"{size}-{size}x{steps}", scheme, models[0], models[1], _feeds(shape))
