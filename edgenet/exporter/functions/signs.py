"""Packed signs between convolutions: unpacked, packed, and pooled by SignMaxPool2d."""

import numpy as np
from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, helper

from edgenet.exporter.functions.nodes import FLOAT, UINT8, constant, find_bits, make_function, pass_attribute


def unpack_signs() -> list[NodeProto]:
    """`signs` uint8 [N, ceil(C/8), H, W] -> `positive` bool [N, C, H, W], C from weight and group."""
    return [
        pass_attribute(helper.make_node("Constant", [], ["groups"]), "value_int", "group", AttributeProto.INT),
        helper.make_node("Gather", ["shape", "one"], ["group_channels"], axis=0),
        helper.make_node("Mul", ["group_channels", "groups"], ["channels"]),
        *find_bits("channels", "channel"),
        helper.make_node("Gather", ["signs", "channel_byte"], ["channel_bytes"], axis=1),
        helper.make_node("Unsqueeze", ["channel_mask", "channel_axes"], ["mask_by_channel"]),
        helper.make_node("BitwiseAnd", ["channel_bytes", "mask_by_channel"], ["channel_bits"]),
        helper.make_node("Cast", ["channel_bits"], ["positive"], to=TensorProto.BOOL),
    ]


def pack_signs(value: str) -> list[NodeProto]:
    """`y`, the packed signs of `value >= next_threshold`: each bit's value, added up by byte."""
    return [
        helper.make_node("Gather", ["shape", "zero"], ["out_channels"], axis=0),
        *find_bits("out_channels", "out"),
        helper.make_node("Unsqueeze", ["next_threshold", "channel_axes"], ["next_by_channel"]),
        helper.make_node("Unsqueeze", ["out_mask", "channel_axes"], ["out_mask_by_channel"]),
        constant("unset", np.uint8(0)),
        helper.make_node("GreaterOrEqual", [value, "next_by_channel"], ["next_met"]),
        helper.make_node("Where", ["next_met", "out_mask_by_channel", "unset"], ["out_bits"]),
        # Spare bits are -out_channels modulo 8 channels of zeros.
        helper.make_node("Neg", ["out_channels"], ["minus_out_channels"]),
        helper.make_node("Mod", ["minus_out_channels", "eight"], ["spare"]),
        constant("first_axis", [0]),
        constant("pads_before", [0, 0, 0, 0, 0]),
        constant("pads_after", [0, 0]),
        helper.make_node("Unsqueeze", ["spare", "first_axis"], ["spare_channels"]),
        helper.make_node("Concat", ["pads_before", "spare_channels", "pads_after"], ["channel_pads"], axis=0),
        helper.make_node("Pad", ["out_bits", "channel_pads", "unset"], ["whole_bytes"]),
        *_join_bits("whole_bytes"),
    ]


def sign_max_pool2d() -> FunctionProto:
    """The larger of +1 and -1 is the larger of a bit's value and 0, so the pooling is a standard one, bit by bit."""
    pool = helper.make_node("MaxPool", ["bit_images"], ["pooled"])
    for name in ("kernel_shape", "strides", "pads"):
        pass_attribute(pool, name, name, AttributeProto.INTS)
    nodes = [
        constant("bit_axis", [2]),
        constant("bit_values", (np.uint8(1) << np.arange(8, dtype=np.uint8)).reshape(8, 1, 1)),
        helper.make_node("Shape", ["signs"], ["batch"], start=0, end=1),
        helper.make_node("Shape", ["signs"], ["size"], start=2),
        constant("all_channels", [-1]),
        helper.make_node("Concat", ["batch", "all_channels", "size"], ["image_shape"], axis=0),
        helper.make_node("Unsqueeze", ["signs", "bit_axis"], ["bytes"]),
        helper.make_node("BitwiseAnd", ["bytes", "bit_values"], ["bits"]),
        helper.make_node("Reshape", ["bits", "image_shape"], ["bit_images"]),
        pool,
        *_join_bits("pooled"),
    ]
    return make_function("SignMaxPool2d", ["signs"], ["y"], nodes, ["kernel_shape", "strides", "pads"])


def _join_bits(value: str) -> list[NodeProto]:
    """`y`: bits of value 2**(c % 8) in uint8 images [N, 8 B, H, W], one to a channel, become bytes [N, B, H, W]."""
    return [
        helper.make_node("Shape", [value], ["joined_batch"], start=0, end=1),
        helper.make_node("Shape", [value], ["joined_size"], start=2),
        constant("bytes_of_eight", [-1, 8]),
        helper.make_node("Concat", ["joined_batch", "bytes_of_eight", "joined_size"], ["joined_shape"], axis=0),
        helper.make_node("Reshape", [value, "joined_shape"], ["bits_of_bytes"]),
        helper.make_node("Cast", ["bits_of_bytes"], ["summands"], to=FLOAT),
        constant("axis_of_bits", [2]),
        helper.make_node("ReduceSum", ["summands", "axis_of_bits"], ["byte_values"], keepdims=0),
        helper.make_node("Cast", ["byte_values"], ["y"], to=UINT8),
    ]
