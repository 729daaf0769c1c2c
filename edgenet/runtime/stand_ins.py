"""Standard nodes whose outputs have the shapes and types of an `edgenet` node's, for ONNX's shape inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnx import NodeProto, TensorProto, helper

from edgenet.runtime.operators import CONVOLUTIONS, LINEARS, POOLED_CONVOLUTION, STATES

AddWeight = Callable[[list[int]], str]
"""Adds a float weight of a shape to the graph; returns its name."""


def stand_ins(node: NodeProto, add_weight: AddWeight) -> list[NodeProto]:
    """The nodes that stand in for an `edgenet` node; none for one whose operator is unknown here."""
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type in CONVOLUTIONS:
        return _convolution(node, attributes, add_weight)
    if node.op_type in LINEARS:
        weight = add_weight(list(attributes["weight_shape"])[::-1])
        return [helper.make_node("MatMul", [node.input[0], weight], list(node.output))]
    if node.op_type in STATES:
        return _recurrence(node, attributes, add_weight)
    if node.op_type == "SignMaxPool2d":
        return [helper.make_node("MaxPool", list(node.input), list(node.output), **attributes)]
    return []


def _convolution(node: NodeProto, attributes: dict[str, Any], add_weight: AddWeight) -> list[NodeProto]:
    outputs, *others = attributes.pop("weight_shape")
    to_signs = node.op_type.endswith("ToSigns")
    if to_signs:
        outputs, attributes["group"] = -(-outputs // 8), 1
    floats, result = f"{node.output[0]}/floats", f"{node.output[0]}/result"
    pool = {name: attributes.pop(f"pool_{name}", None) for name in ("kernel_shape", "strides", "pads")}
    kind = TensorProto.UINT8 if to_signs else TensorProto.FLOAT
    last = helper.make_node("Cast", [result], list(node.output), to=kind)
    if node.op_type == POOLED_CONVOLUTION:
        last = helper.make_node("MaxPool", [result], list(node.output), **pool)
    return [
        helper.make_node("Cast", [node.input[0]], [floats], to=TensorProto.FLOAT),
        helper.make_node("Conv", [floats, add_weight([outputs, *others])], [result], **attributes),
        last,
    ]


def convolved_shape(node: NodeProto, shape: list[int] | None) -> list[int] | None:
    """The shape that a convolution makes of an image [N, C, H, W], before any pooling."""
    if shape is None:
        return None
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    kernel, pads = attributes["weight_shape"], attributes["pads"]
    sizes = [
        (shape[2 + axis] + pads[axis] + pads[axis + 2] - attributes["dilations"][axis] * (kernel[2 + axis] - 1) - 1)
        // attributes["strides"][axis]
        + 1
        for axis in (0, 1)
    ]
    return [shape[0], kernel[0], *sizes]


def _recurrence(node: NodeProto, attributes: dict[str, Any], add_weight: AddWeight) -> list[NodeProto]:
    weight = add_weight(list(attributes["weight_shape"]))
    initial = node.input[-STATES[node.op_type] :]
    return [
        helper.make_node("MatMul", [node.input[0], weight], [node.output[0]]),
        *(
            helper.make_node("Identity", [state], [final])
            for state, final in zip(initial, node.output[1:], strict=False)
            if final
        ),
    ]
