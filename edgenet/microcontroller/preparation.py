"""Rewrites of the graph before it becomes C.

Signs and embeddings become nodes, joined operators are taken apart, masks left out.
"""

import numpy as np

from edgenet.microcontroller.graph import Graph, Node, Value, connect, needed, unsupported
from edgenet.microcontroller.tokens import join_embeddings

_XNOR = "XnorConv2d"
SIGN = "ToSigns"


def prepare(graph: Graph) -> None:
    """Rewrite a graph in place.

    Raises:
        EdgenetError: a node cannot be written in C.
    """
    _without_masks(graph)
    nodes: list[Node] = []
    connect(graph.nodes)
    join_embeddings(graph)
    for node in graph.nodes:
        if node.operator == "Int8Conv2dReluMaxPool":
            nodes.extend(_apart(node))
        elif node.operator == "XnorLinear" or (node.operator.startswith(_XNOR) and "FromSigns" not in node.operator):
            nodes.extend(_with_sign(node, nodes))
        else:
            nodes.append(node)
    graph.nodes[:] = needed(nodes, graph.outputs)
    connect(graph.nodes)


def _without_masks(graph: Graph) -> None:
    """What a Where with a mask that is true everywhere, or false, hands on is that input itself."""
    stands_for: dict[int, Value | None] = {}
    kept = []
    for node in graph.nodes:
        node.inputs = [stands_for.get(id(value), value) for value in node.inputs]
        mask = node.inputs[0].constant if node.operator == "Where" and node.inputs[0] is not None else None
        if mask is not None and mask.size and (mask.all() or not mask.any()) and not node.outputs[0].is_output:
            stands_for[id(node.outputs[0])] = node.inputs[1 if mask.all() else 2]
        else:
            kept.append(node)
    graph.nodes[:] = kept


def _apart(node: Node) -> list[Node]:
    """An 8-bit convolution and the pooling after it."""
    convolution = {key: value for key, value in node.attributes.items() if not key.startswith("pool_")}
    pooling = {key.removeprefix("pool_"): value for key, value in node.attributes.items() if key.startswith("pool_")}
    x = node.input(0)
    height, width = (
        (x.shape[2 + i] + convolution["pads"][i] + convolution["pads"][2 + i]
         - convolution["dilations"][i] * (convolution["weight_shape"][2 + i] - 1) - 1) // convolution["strides"][i] + 1
        for i in (0, 1)
    )  # fmt: skip
    inner = Value(f"{node.outputs[0].name}/unpooled", (1, convolution["weight_shape"][0], height, width))
    first = Node("Int8Conv2dRelu", node.name, node.inputs, [inner], convolution)
    return [first, Node("MaxPool", f"{node.name}/pool", [inner], node.outputs, pooling)]


def _with_sign(node: Node, before: list[Node]) -> list[Node]:
    """The signs of an input as a node of their own, which others that read the same signs share."""
    x, threshold = node.input(0), node.array(1).astype(np.float32)
    linear = node.operator == "XnorLinear"
    reshape = x.producer
    if linear and reshape is not None and reshape.operator in ("Reshape", "Flatten") and not x.is_output:
        image = reshape.input(0)
        if len(image.shape) == 4 and image.columns == len(threshold):
            by_channel = threshold.reshape(image.shape[1], -1)
            same = (by_channel == by_channel[:, :1]).all()
            x, threshold = image, by_channel[:, 0].copy() if same else threshold
    made: list[Node] = []
    for other in before:
        if other.operator == SIGN and other.input(0) is x and np.array_equal(other.get("threshold", None), threshold):
            bits = other.outputs[0]
            break
    else:
        if not linear and len(x.shape) != 4:
            raise unsupported(node, "its input is no image")
        is_image = len(x.shape) == 4
        bits = Value(f"{x.name}/signs", x.shape)
        bits.layout = (x.shape[1], x.shape[2], x.shape[3]) if is_image else (len(threshold),)
        made = [Node(SIGN, f"{node.name}/signs", [x], [bits], {"threshold": threshold})]
    form = "XnorLinear" if linear else node.operator.replace(_XNOR, f"{_XNOR}FromSigns")
    return [*made, Node(form, node.name, [bits, *node.inputs[2:]], node.outputs, node.attributes)]
