"""The constants of an ONNX graph: which node keeps which weights, in how many bits and bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from onnx import NodeProto, TensorProto, helper

from edgenet.runtime.operators import DOMAIN, WEIGHT_INPUT, has_binary_weights

# Where each operator keeps its weights among its inputs.
WEIGHT_INPUTS = {
    "Conv": [1], "ConvTranspose": [1], "ConvInteger": [1], "QLinearConv": [3], "FusedConv": [1],
    "Gemm": [1], "MatMul": [1], "MatMulInteger": [1], "QLinearMatMul": [3], "MatMulNBits": [1],
    "RNN": [1, 2], "GRU": [1, 2], "LSTM": [1, 2], "DynamicQuantizeLSTM": [1, 2],
    **{name: [index] for name, index in WEIGHT_INPUT.items()},
}  # fmt: skip
_TRANSPARENT = {"Cast", "DequantizeLinear", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
PREPROCESSING = "preprocessing."
"""What the names of embedded preprocessing, which is no part of the network, begin with."""


class Tensors:
    """The constants of a file and how nodes reach them."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.stored: dict[str, TensorProto] = {}
        self.producers: dict[str, NodeProto] = {}
        self.readers: dict[str, list[NodeProto]] = {}
        self._collect(graph)

    def _collect(self, graph: onnx.GraphProto) -> None:
        self.stored.update({tensor.name: tensor for tensor in graph.initializer})
        for node in graph.node:
            self.producers.update(dict.fromkeys(node.output, node))
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
            for attribute in node.attribute:
                if node.op_type == "Constant" and attribute.HasField("t"):
                    self.stored[node.output[0]] = attribute.t
                elif attribute.HasField("g"):
                    self._collect(attribute.g)

    def find(self, name: str) -> tuple[str, TensorProto] | None:
        """The stored tensor behind a value, through nodes that leave the numbers what they are; None if computed."""
        while name and name not in self.stored:
            producer = self.producers.get(name)
            if producer is None or producer.op_type not in _TRANSPARENT:
                return None
            name = producer.input[0]
        return (name, self.stored[name]) if name else None

    def weights(self, node: NodeProto) -> list[tuple[str, TensorProto]]:
        names = [node.input[index] for index in WEIGHT_INPUTS[node.op_type] if index < len(node.input)]
        if node.op_type in ("MatMul", "Gemm", "MatMulInteger") and self.find(names[0]) is None:
            names = [node.input[0]]  # A product's weights may stand on the left.
        return [found for found in map(self.find, names) if found is not None]

    def totals(self, nodes: Sequence[NodeProto], tables: Mapping[str, tuple[int, int]]) -> tuple[int, int, int]:
        """Parameters, binary parameters, weight bytes: each stored tensor once.

        `tables`: of further tensors, by name, how many numbers of how many bits each they hold.
        """
        weights = {name: count_elements(node, tensor) for node in nodes for name, tensor in self.weights(node)}
        binary = {name for node in nodes if has_binary_weights(node) for name, _ in self.weights(node)}
        binary |= {name for name, (_, bits) in tables.items() if bits == 1}
        counts = weights | {name: count for name, (count, _) in tables.items()}
        for name, tensor in self.stored.items():
            if tensor.data_type in _FLOATS and len(tensor.dims) > 0:
                counts.setdefault(name, math.prod(tensor.dims))
        parameters, one_bit = sum(counts.values()), sum(counts[name] for name in binary)
        return parameters, one_bit, sum(bytes_of(self.stored[name]) for name in counts)


def get_attribute(node: NodeProto, name: str) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)


def count_elements(node: NodeProto, tensor: TensorProto) -> int:
    if node.domain == DOMAIN:
        return math.prod(get_attribute(node, "weight_shape"))
    if node.op_type == "MatMulNBits":
        return get_attribute(node, "K") * get_attribute(node, "N")
    return math.prod(tensor.dims)


def bits_of(data_type: int) -> int:
    name = TensorProto.DataType.Name(data_type)
    digits = "".join(c if c.isdigit() else " " for c in name).split()
    named = {"FLOAT": 32, "DOUBLE": 64, "BOOL": 8, "UNDEFINED": 32}
    return named.get(name) or (int(digits[0]) if digits else 32)


def bytes_of(tensor: TensorProto) -> int:
    return -(-math.prod(tensor.dims) * bits_of(tensor.data_type) // 8)
