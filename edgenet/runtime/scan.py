"""Counts a file's `edgenet` nodes by walking the protobuf wire format, without holding the weights in memory."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from edgenet.errors import EdgenetError

DOMAIN = b"edgenet"

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _FUNCTION_NODE = 1, 7
_NODE_ATTRIBUTE, _NODE_DOMAIN = 5, 7
_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 6, 11
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


def count_operator_nodes(model: str | bytes) -> int:
    """Return how many nodes of the domain `edgenet` an ONNX file (a path, or its bytes) has, subgraphs included.

    Raises:
        EdgenetError: the bytes are no ONNX model.
    """
    with io.BytesIO(model) if isinstance(model, bytes) else open(model, "rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        graphs = count = 0
        try:
            for field, end in _fields(stream, 0, size):
                if field == _MODEL_GRAPH:
                    graphs += 1
                    count += _count_in_nodes(stream, end, _GRAPH_NODE)
                elif field == _MODEL_FUNCTIONS:
                    count += _count_in_nodes(stream, end, _FUNCTION_NODE)
        except (EOFError, RecursionError):
            graphs = 0
    if graphs != 1:
        name = "the given bytes are" if isinstance(model, bytes) else f"{model} is"
        raise EdgenetError(f"{name} no ONNX model, or cut short; give a whole .onnx file.")
    return count


def _count_in_nodes(stream: BinaryIO, end: int, node_field: int) -> int:
    count = 0
    for field, node_end in _fields(stream, stream.tell(), end):
        if field != node_field:
            continue
        for part, part_end in _fields(stream, stream.tell(), node_end):
            if part == _NODE_DOMAIN:
                count += stream.read(part_end - stream.tell()) == DOMAIN
            elif part == _NODE_ATTRIBUTE:
                for value, value_end in _fields(stream, stream.tell(), part_end):
                    if value in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                        count += _count_in_nodes(stream, value_end, _GRAPH_NODE)
    return count


def _fields(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (field number, end of its content) of every length-delimited field; the stream stands at the content."""
    stream.seek(start)
    while (position := stream.tell()) < end:
        key = _varint(stream)
        kind = key & 7
        if kind == _VARINT:
            _varint(stream)
            next_position = stream.tell()
        elif kind in (_FIXED64, _FIXED32):
            next_position = stream.tell() + (8 if kind == _FIXED64 else 4)
        elif kind == _LENGTH_DELIMITED:
            length = _varint(stream)
            next_position = stream.tell() + length
        else:
            raise EOFError
        if next_position > end or next_position <= position:
            raise EOFError
        if kind == _LENGTH_DELIMITED:
            yield key >> 3, next_position
        stream.seek(next_position)


def _varint(stream: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            raise EOFError
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise EOFError
