"""Embeddings in an ONNX graph: nodes that fetch rows of a stored table, of whatever number of bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import NodeProto, TensorProto

from edgenet.runtime.tensors import Tensors, bits_of, bytes_of, get_attribute

_STORED_AS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE, TensorProto.INT8}


@dataclass(frozen=True)
class Embedding:
    """A table of `weights` numbers of `bits` each, by the name of the stored tensor; `weight_bytes` with its scales."""

    tensor: str
    weights: int
    bits: int
    weight_bytes: int


def find_embedding(node: NodeProto, tensors: Tensors) -> Embedding | None:
    """The embedding that a node stands for: a Gather of rows, by computed tokens, of a stored table; else None.

    In a table of bytes, a BitwiseAnd takes the bits out of the fetched rows. A scale a row, fetched by the same tokens,
    goes with the table.
    """
    if node.op_type != "Gather" or get_attribute(node, "axis") or tensors.find(node.input[1]) is not None:
        return None
    found = tensors.find(node.input[0])
    if found is None or len(found[1].dims) != 2:
        return None
    name, table = found
    rows, width = table.dims
    bits = bits_of(table.data_type)
    if table.data_type == TensorProto.UINT8:
        width, bits = _unpacked_width(node, tensors), 1
    elif table.data_type not in _STORED_AS:
        return None
    scales = _scales(node, rows, tensors)
    return Embedding(name, rows * width, bits, sum(map(bytes_of, (table, *scales)))) if width else None


def _unpacked_width(node: NodeProto, tensors: Tensors) -> int:
    """How many bits are taken out of a fetched row; 0 where none are."""
    for reader in tensors.readers.get(node.output[0], []):
        for last in tensors.readers.get(reader.output[0], []):
            mask = tensors.find(last.input[1]) if last.op_type == "BitwiseAnd" else None
            if mask is not None and len(mask[1].dims) == 1:
                return mask[1].dims[0]
    return 0


def _scales(node: NodeProto, rows: int, tensors: Tensors) -> Sequence[TensorProto]:
    others = (reader for reader in tensors.readers.get(node.input[1], []) if reader.op_type == "Gather")
    found = (tensors.find(reader.input[0]) for reader in others)
    return [entry[1] for entry in found if entry is not None and list(entry[1].dims) == [rows]]
