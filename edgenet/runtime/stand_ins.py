"""Standard nodes whose outputs have the shapes and types of an `edgenet` node's, for ONNX's shape inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnx import NodeProto, TensorProto, helper

from edgenet.runtime.operators import CONVOLUTIONS, LINEARS, STATES

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
    kind = TensorProto.UINT8 if to_signs else TensorProto.FLOAT
    return [
        helper.make_node("Cast", [node.input[0]], [floats], to=TensorProto.FLOAT),
        helper.make_node("Conv", [floats, add_weight([outputs, *others])], [result], **attributes),
        helper.make_node("Cast", [result], list(node.output), to=kind),
    ]


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
