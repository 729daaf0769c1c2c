"""What the network in an ONNX file is made of: weights, bits, bytes and multiply-adds, layer by layer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import NodeProto, TensorProto

from edgenet.errors import EdgenetError
from edgenet.runtime.embeddings import Embedding, find_embedding
from edgenet.runtime.operators import (
    CONVOLUTIONS,
    DOMAIN,
    POOLED_CONVOLUTION,
    STATES,
    has_binary_activations,
    has_binary_weights,
    has_int8_activations,
)
from edgenet.runtime.shapes import Shape, graph_inputs, infer, resolve_inputs, walk
from edgenet.runtime.stand_ins import convolved_shape
from edgenet.runtime.tensors import (
    PREPROCESSING,
    WEIGHT_INPUTS,
    Tensors,
    bits_of,
    bytes_of,
    count_elements,
    get_attribute,
)

BINARY_MACS_PER_OPERATION = 64
"""A 64-bit word holds 64 one-bit products: 64 binary multiply-adds count as one operation (XNOR-Net, section 4.1)."""

_EIGHT_BIT_ACTIVATIONS = ("ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeLSTM")
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@dataclass(frozen=True)
class LayerInspection:
    """One node that multiplies, or an embedding: its weights in the file and its work at the given input shape."""

    name: str
    operator: str
    weight_bits: int | None
    """Bits a stored weight; None where two activations are multiplied."""
    activation_bits: int
    weights: int
    weight_bytes: int
    """Bytes of the weights and of the scales, thresholds and biases that go with them."""
    macs: int | None
    """Multiply-adds that are not binary; None where a shape is unknown."""
    binary_macs: int | None
    """Multiply-adds of one bit by one bit."""
    reason: str
    """Why the layer's weights are not one bit each; empty where they are."""

    @property
    def binary(self) -> bool:
        return self.weight_bits == 1

    @property
    def precision(self) -> str:
        """Weight bits x activation bits, for example `1x1` (XNOR), `1x32` (binary weights) or `32x32`."""
        return f"{self.weight_bits or self.activation_bits}x{self.activation_bits}"


@dataclass(frozen=True)
class Inspection:
    """A network's layers and totals; totals count every parameter in the file, also those outside of `layers`."""

    layers: list[LayerInspection]
    input_shape: list[int] | None
    """Shape that multiply-adds are counted at; None where the file leaves it open and none was given."""
    parameters: int
    binary_parameters: int
    weight_bytes: int
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def macs(self) -> int | None:
        return _sum_or_none(layer.macs for layer in self.layers)

    @property
    def binary_macs(self) -> int | None:
        return _sum_or_none(layer.binary_macs for layer in self.layers)

    @property
    def operations(self) -> float | None:
        """`macs + binary_macs / 64`."""
        if self.macs is None or self.binary_macs is None:
            return None
        return self.macs + self.binary_macs / BINARY_MACS_PER_OPERATION

    @property
    def macs_by_precision(self) -> dict[str, int] | None:
        """Multiply-adds under each `LayerInspection.precision`."""
        totals: dict[str, int] = {}
        for layer in self.layers:
            if layer.macs is None or layer.binary_macs is None:
                return None
            work = layer.macs + layer.binary_macs
            if work:
                totals[layer.precision] = totals.get(layer.precision, 0) + work
        return totals


def inspect(
    path: str | Path | bytes, input_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None
) -> Inspection:
    """Read an ONNX file, of edgenet or of anyone else, and count its weights and its work.

    Args:
        path: the file, or its bytes.
        input_shape: shape of the first input, batch included, or shapes by input name. Without it the file's own
            sizes count, with a batch of one where the file leaves the batch open.

    Raises:
        EdgenetError: no such file, not an ONNX file, or `input_shape` contradicts the file.
    """
    model = read_model(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    given = input_shape if isinstance(input_shape, Mapping) else {} if input_shape is None else {"": input_shape}
    recorded = metadata
    if "edgenet.sample_shape" in metadata:
        # A sample is what the network's work is counted at, whatever the file with embedded preprocessing takes.
        sample = json.loads(metadata["edgenet.sample_shape"])
        model.graph.CopyFrom(_behind_preprocessing(model.graph, sample))
        given, recorded = {}, {}
    sizes = resolve_inputs(model.graph, given, recorded)
    shapes, types = infer(model, sizes)
    tensors = Tensors(model.graph)
    reasons = _recorded_reasons(metadata)
    layers: list[LayerInspection] = []
    nodes: list[NodeProto] = []
    tables: dict[str, tuple[int, int]] = {}
    entries = list(walk(model.graph, shapes))
    count = sum(node.op_type in WEIGHT_INPUTS for node, _ in entries)
    for node, repeats in entries:
        embedding = find_embedding(node, tensors)
        if embedding is not None:
            layers.append(_inspect_embedding(node, embedding, reasons))
            tables[embedding.tensor] = (embedding.weights, embedding.bits)
        elif node.op_type in WEIGHT_INPUTS:
            reason = _reason(node, len(nodes), count, tensors, reasons)
            layers.append(_inspect_layer(node, repeats, tensors, shapes, types, reason))
            nodes.append(node)
    first = next((sizes[value.name] for value in graph_inputs(model.graph)), [])
    known = [size for size in first if size is not None] if None not in first else None
    return Inspection(layers, known, *tensors.totals(nodes, tables), metadata)


def _sum_or_none(values: Iterator[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def read_model(path: str | Path | bytes) -> onnx.ModelProto:
    """Read an ONNX file without weights that lie outside of it, functions of others than edgenet put in place.

    Raises:
        EdgenetError: no such file, or not an ONNX file.
    """
    name = "the given bytes" if isinstance(path, bytes) else str(path)
    try:
        if isinstance(path, bytes):
            model = onnx.load_model_from_string(path)
        else:
            model = onnx.load(path, load_external_data=False)
    except FileNotFoundError as error:
        raise EdgenetError(f"{name}: no such file; give the path of an .onnx file") from error
    except IsADirectoryError as error:
        raise EdgenetError(f"{name} is a folder; give the path of an .onnx file") from error
    except DecodeError as error:
        raise EdgenetError(f"{name} cannot be read as ONNX; give an .onnx file") from error
    if not model.graph.node:
        raise EdgenetError(f"{name} holds no network; give an .onnx file")
    others = [(function.domain, function.name) for function in model.functions if function.domain != DOMAIN]
    return onnx.inliner.inline_selected_functions(model, others) if others else model


def _behind_preprocessing(graph: onnx.GraphProto, sample: list[int]) -> onnx.GraphProto:
    """The network alone: what embedded preprocessing makes becomes its first input."""
    before = [node for node in graph.node if node.name.startswith(PREPROCESSING)]
    made = {name for node in before for name in node.output}
    nodes = graph.node[len(before) :]
    read = next(name for node in nodes for name in node.input if name in made)
    network = onnx.GraphProto()
    network.CopyFrom(graph)
    del network.input[:], network.node[:], network.output[:], network.initializer[:]
    network.initializer.extend(tensor for tensor in graph.initializer if not tensor.name.startswith(PREPROCESSING))
    network.input.append(onnx.helper.make_tensor_value_info(read, TensorProto.FLOAT, ["batch", *sample]))
    used = {name for node in nodes for name in node.input}
    network.input.extend(value for value in graph.input if value.name in used)
    network.output.extend(value for value in graph.output if value.name not in made)
    network.node.extend(nodes)
    return network


def _inspect_layer(
    node: NodeProto,
    repeats: int | None,
    tensors: Tensors,
    shapes: Mapping[str, Shape],
    types: Mapping[str, int],
    reason: str,
) -> LayerInspection:
    weights = tensors.weights(node)
    stored = {found[0]: found[1] for found in map(tensors.find, node.input) if found is not None}
    bits = None
    if has_binary_weights(node):
        bits = 1
    elif node.op_type == "MatMulNBits":
        bits = int(get_attribute(node, "bits"))
    elif weights:
        bits = bits_of(weights[0][1].data_type)
    work = _macs(node, shapes)
    work = work * repeats if work is not None and repeats is not None else None
    both_one_bit = has_binary_activations(node)
    return LayerInspection(
        name=node.name or node.output[0],
        operator=node.op_type,
        weight_bits=bits,
        activation_bits=1 if both_one_bit else _activation_bits(node, tensors, types),
        weights=sum(count_elements(node, tensor) for _, tensor in weights),
        weight_bytes=sum(bytes_of(tensor) for tensor in stored.values()),
        macs=0 if both_one_bit else work,
        binary_macs=work if both_one_bit else 0,
        reason=reason,
    )


def _inspect_embedding(node: NodeProto, embedding: Embedding, recorded: Mapping[str, str]) -> LayerInspection:
    name = node.name or node.output[0]
    reason = recorded.get(name) or f"{embedding.bits}-bit weights: embedding"
    return LayerInspection(
        name=name,
        operator="Embedding",
        weight_bits=embedding.bits,
        activation_bits=bits_of(TensorProto.FLOAT),
        weights=embedding.weights,
        weight_bytes=embedding.weight_bytes,
        macs=0,
        binary_macs=0,
        reason="" if embedding.bits == 1 else reason,
    )


def _activation_bits(node: NodeProto, tensors: Tensors, types: Mapping[str, int]) -> int:
    if has_int8_activations(node) or node.op_type in _EIGHT_BIT_ACTIVATIONS:
        return 8
    producer = tensors.producers.get(node.input[0])
    name = producer.input[0] if producer is not None and producer.op_type == "DequantizeLinear" else node.input[0]
    return bits_of(types.get(name, TensorProto.FLOAT))


def _macs(node: NodeProto, shapes: Mapping[str, Shape]) -> int | None:
    """Multiply-adds of one run of a node; None where a shape is unknown."""

    def shape(name: str) -> list[int] | None:
        found = shapes.get(name)
        return None if found is None or None in found else [int(size) for size in found if size is not None]

    def times(values: list[int] | None, *factors: int) -> int | None:
        return None if values is None else math.prod(values) * math.prod(factors)

    left, result = shape(node.input[0]), shape(node.output[0])
    if node.domain == DOMAIN:
        outputs, *inner_sizes = get_attribute(node, "weight_shape")
        if node.op_type in STATES:
            return times(left, *inner_sizes)
        if node.op_type == POOLED_CONVOLUTION:
            result = convolved_shape(node, left)
        elif node.op_type in CONVOLUTIONS and result is not None:
            result[1] = outputs  # packed signs have fewer channels
        return times(result, *inner_sizes)
    weight = shape(node.input[WEIGHT_INPUTS[node.op_type][0]])
    if node.op_type == "MatMulNBits":
        return times(result, int(get_attribute(node, "K")))
    if weight is None or left is None:
        return None
    if node.op_type == "DynamicQuantizeLSTM":
        # Its weights lie the other way round: directions, inputs, gates by hidden.
        return left[0] * left[1] * weight[0] * weight[2] * (left[2] + weight[2] // _GATES["LSTM"])
    if node.op_type in _GATES:
        directions, gates_by_hidden = weight[0], weight[1]
        hidden = gates_by_hidden // _GATES[node.op_type]
        return left[0] * left[1] * directions * gates_by_hidden * (left[2] + hidden)
    if node.op_type == "ConvTranspose":
        return times(left, *weight[1:])
    if "Conv" in node.op_type:
        return times(result, *weight[1:])
    inner = left[0] if node.op_type == "Gemm" and get_attribute(node, "transA") else left[-1]
    return times(result, inner)


def _recorded_reasons(metadata: Mapping[str, str]) -> dict[str, str]:
    rows = json.loads(metadata.get("edgenet.binary_layers", "[]"))
    return {row["name"]: row.get("reason", "") for row in rows if row.get("action") != "binarized"}


def _reason(node: NodeProto, position: int, count: int, tensors: Tensors, recorded: Mapping[str, str]) -> str:
    if has_binary_weights(node):
        return ""
    weights = tensors.weights(node)
    if not weights:
        return "a product of two activations has no weights"
    name = node.name
    while name:
        if name in recorded:
            return recorded[name]
        name = name.rpartition("/")[0] or name.rpartition(".")[0]
    held = f"{bits_of(weights[0][1].data_type)}-bit weights"
    dims = list(weights[0][1].dims)
    if not any(producer.domain == DOMAIN for producer in tensors.producers.values()):
        return f"{held}: the file has no binary operator"
    if position == 0:
        return f"{held}: first layer"
    if position == count - 1:
        return f"{held}: last layer"
    if node.op_type == "Conv" and dims[0] == get_attribute(node, "group") > 1:
        return f"{held}: depthwise convolution"
    if node.op_type == "Conv" and set(dims[2:]) == {1}:
        return f"{held}: 1x1 convolution"
    return f"{held}: not an edgenet operator"
