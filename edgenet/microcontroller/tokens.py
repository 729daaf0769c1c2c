"""Tokens that come in: what fetches their rows of a table, unpacks and scales them becomes one node."""

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.microcontroller.graph import Graph, Node, Value, unsupported
from edgenet.microcontroller.text import unpack_rows

EMBEDDING = "Embedding"


def join_embeddings(graph: Graph) -> None:
    """Make one node of those that fetch a row of a table, unpack and scale it; the graph is connected.

    Raises:
        EdgenetError: tokens are used in another way.
    """
    for tokens in graph.inputs:
        if tokens.vocabulary is None:
            continue
        found = [_embedding(gather, tokens) for gather in tokens.consumers if not _is_scale(gather)]
        if not found:
            raise EdgenetError(f"input {tokens.name} is int64, but no embedding reads it, so C cannot be written")
        tokens.vocabulary = min(len(node.attributes["table"]) for node in found)
        for node in found:
            last = node.outputs[0].producer
            graph.nodes[next(i for i, other in enumerate(graph.nodes) if other is last)] = node


def _embedding(gather: Node, tokens: Value) -> Node:
    """The node that stands for a Gather of rows and what is done with them."""
    table = gather.array(0) if gather.operator == "Gather" and gather.input(1) is tokens else None
    if table is None or table.ndim != 2 or gather.get("axis", 0):
        raise unsupported(gather, "tokens may choose rows of a table only")
    if table.dtype == np.float32:
        return _node(gather, tokens, gather.outputs[0], table, None)
    last = gather
    if table.dtype == np.uint8:
        last = _next(last, "Gather")
        width = len(last.array(1))
        last = _next(_next(_next(last, "BitwiseAnd"), "Cast"), "Where")
        table = unpack_rows(table, width)
    else:
        last = _next(last, "Cast")
    last = _next(last, "Mul")
    return _node(gather, tokens, last.outputs[0], table, _scale_of(last, tokens))


def _scale_of(product: Node, tokens: Value) -> NDArray:
    """What a product scales every token's row by."""
    for value in product.inputs:
        spread = value.producer if value is not None else None
        scale = spread.input(0).producer if spread is not None and spread.operator == "Unsqueeze" else None
        if scale is not None and _is_scale(scale) and scale.input(1) is tokens:
            return scale.array(0)
    raise unsupported(product, "rows of a packed table may be scaled token by token only")


def _node(gather: Node, tokens: Value, output: Value, table: NDArray, scale: NDArray | None) -> Node:
    return Node(EMBEDDING, gather.name, [tokens], [output], {"table": table, "scale": scale})


def _is_scale(node: Node) -> bool:
    return node.operator == "Gather" and node.input(0).constant is not None and node.array(0).ndim == 1


def _next(node: Node, operator: str) -> Node:
    """The one node that reads what another makes."""
    readers = node.outputs[0].consumers
    if len(readers) != 1 or readers[0].operator != operator:
        raise unsupported(node, f"rows of a packed table are unpacked in another way than by {operator}")
    return readers[0]
