"""Bodies of XnorConv2d and BwnConv2d: weights unpacked to float, then a standard Conv."""

import numpy as np
from onnx import AttributeProto, FunctionProto, NodeProto, helper

from edgenet.exporter.functions.nodes import FLOAT, constant, make_function, pass_attribute, sign, unpack_weight

ATTRIBUTES = ["weight_shape", "strides", "pads", "dilations", "group"]


def xnor_conv2d() -> FunctionProto:
    nodes = [
        *unpack_weight(FLOAT),
        constant("channel_axes", [1, 2]),
        helper.make_node("Unsqueeze", ["threshold", "channel_axes"], ["threshold_by_channel"]),
        *sign("x", "threshold_by_channel", "signs", np.float32(1), np.float32(-1)),
        _convolve("signs", "sum"),
        # ORT's ConvMulFusion would fold the scale into the weights, and sums that are exactly 0 would no longer be.
        helper.make_node("Round", ["sum"], ["dot"]),
        *_scale_and_bias("dot"),
    ]
    return make_function("XnorConv2d", ["x", "threshold", "weight", "scale", "bias"], ["y"], nodes, ATTRIBUTES)


def bwn_conv2d() -> FunctionProto:
    nodes = [
        *unpack_weight(FLOAT),
        constant("channel_axes", [1, 2]),
        _convolve("x", "sum"),
        *_scale_and_bias("sum"),
    ]
    return make_function("BwnConv2d", ["x", "weight", "scale", "bias"], ["y"], nodes, ATTRIBUTES)


def _convolve(value: str, output: str) -> NodeProto:
    node = helper.make_node("Conv", [value, "w"], [output])
    for name in ("strides", "pads", "dilations"):
        pass_attribute(node, name, name, AttributeProto.INTS)
    return pass_attribute(node, "group", "group", AttributeProto.INT)


def _scale_and_bias(value: str) -> list[NodeProto]:
    return [
        helper.make_node("Unsqueeze", ["scale", "channel_axes"], ["scale_by_channel"]),
        helper.make_node("Unsqueeze", ["bias", "channel_axes"], ["bias_by_channel"]),
        helper.make_node("Mul", [value, "scale_by_channel"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias_by_channel"], ["y"]),
    ]
