"""Bodies of the convolutions: weights as float, then a standard Conv, whose sums are exact for integers.

The rest of an XnorConv2d form follows the Conv step by step.
"""

from collections.abc import Sequence

from onnx import AttributeProto, FunctionProto, NodeProto, helper

from edgenet.exporter.functions.eight_bit import quantize
from edgenet.exporter.functions.forms import ConvolutionForm
from edgenet.exporter.functions.nodes import (
    FLOAT,
    constant,
    make_function,
    pass_attribute,
    unpack_bits,
    unpack_rows,
)
from edgenet.exporter.functions.pairs import half_signs, pair_weights, part_pairs
from edgenet.exporter.functions.signs import pack_signs, unpack_signs

ATTRIBUTES = ["weight_shape", "strides", "pads", "dilations", "group"]
POOL_ATTRIBUTES = ("kernel_shape", "strides", "pads")


def xnor_conv2d(form: ConvolutionForm, in_pairs: bool = False) -> FunctionProto:
    steps = [
        *([_add("affine", "residual", "shortened")] if form.add else []),
        *(_prelu("shortened" if form.add else "affine") if form.prelu else []),
    ]
    result = "activated" if form.prelu else "shortened" if form.add else "affine"
    nodes = [
        *([*unpack_bits(), *pair_weights()] if in_pairs else unpack_rows()),
        constant("channel_axes", [1, 2]),
        *(unpack_signs() if form.from_signs else _signs_of_floats()),
        *(_convolve_pairs() if in_pairs else _convolve_signs()),
        *_scale_and_bias("dot", "scale", "affine"),
        *steps,
        *(pack_signs(result) if form.to_signs else [helper.make_node("Identity", [result], ["y"])]),
    ]
    return make_function(form.operator, form.inputs, ["y"], nodes, ATTRIBUTES)


def _convolve_pairs() -> list[NodeProto]:
    return [*half_signs("positive"), _convolve("half_signs", "sum"), *part_pairs()]


def _convolve_signs() -> list[NodeProto]:
    return [
        helper.make_node("Where", ["positive", "plus", "minus"], ["signs_as_floats"]),
        _convolve("signs_as_floats", "sum"),
        # ORT's ConvMulFusion would fold the scale into the weights, and sums that are exactly 0 would no longer be.
        helper.make_node("Round", ["sum"], ["dot"]),
    ]


def bwn_conv2d() -> FunctionProto:
    nodes = [
        *unpack_rows(),
        constant("channel_axes", [1, 2]),
        _convolve("x", "sum"),
        *_scale_and_bias("sum", "scale", "y"),
    ]
    return make_function("BwnConv2d", ["x", "weight", "scale", "bias"], ["y"], nodes, ATTRIBUTES)


def bwn_conv2d_int8() -> FunctionProto:
    return _eight_bit("BwnConv2dInt8", [*unpack_rows(), *_eight_bit_steps("y")])


def int8_conv2d() -> FunctionProto:
    return _eight_bit("Int8Conv2d", [_int8_weight(), *_eight_bit_steps("y")])


def int8_conv2d_relu() -> FunctionProto:
    nodes = [_int8_weight(), *_eight_bit_steps("affine"), helper.make_node("Relu", ["affine"], ["y"])]
    return _eight_bit("Int8Conv2dRelu", nodes)


def int8_conv2d_relu_max_pool() -> FunctionProto:
    pool = helper.make_node("MaxPool", ["activated"], ["y"])
    for name in POOL_ATTRIBUTES:
        pass_attribute(pool, name, f"pool_{name}", AttributeProto.INTS)
    relu = helper.make_node("Relu", ["affine"], ["activated"])
    nodes = [_int8_weight(), *_eight_bit_steps("affine"), relu, pool]
    return _eight_bit("Int8Conv2dReluMaxPool", nodes, [f"pool_{name}" for name in POOL_ATTRIBUTES])


def _eight_bit(name: str, nodes: list[NodeProto], more_attributes: Sequence[str] = ()) -> FunctionProto:
    return make_function(name, ["x", "weight", "scale", "bias"], ["y"], nodes, [*ATTRIBUTES, *more_attributes])


def _int8_weight() -> NodeProto:
    return helper.make_node("Cast", ["weight"], ["w"], to=FLOAT)


def _eight_bit_steps(output: str) -> list[NodeProto]:
    return [
        constant("channel_axes", [1, 2]),
        constant("image_axes", [1, 2, 3]),
        *quantize("image_axes"),
        _convolve("q", "sum"),
        helper.make_node("Unsqueeze", ["scale", "channel_axes"], ["channel_scale"]),
        helper.make_node("Mul", ["channel_scale", "step"], ["sample_scale"]),
        helper.make_node("Mul", ["sum", "sample_scale"], ["scaled"]),
        *_bias(output),
    ]


def _signs_of_floats() -> list[NodeProto]:
    return [
        helper.make_node("Unsqueeze", ["threshold", "channel_axes"], ["threshold_by_channel"]),
        helper.make_node("GreaterOrEqual", ["x", "threshold_by_channel"], ["positive"]),
    ]


def _convolve(value: str, output: str) -> NodeProto:
    node = helper.make_node("Conv", [value, "w"], [output])
    for name in ("strides", "pads", "dilations"):
        pass_attribute(node, name, name, AttributeProto.INTS)
    return pass_attribute(node, "group", "group", AttributeProto.INT)


def _scale_and_bias(value: str, scale: str, output: str) -> list[NodeProto]:
    return [
        helper.make_node("Unsqueeze", [scale, "channel_axes"], ["scale_by_channel"]),
        helper.make_node("Mul", [value, "scale_by_channel"], ["scaled"]),
        *_bias(output),
    ]


def _bias(output: str) -> list[NodeProto]:
    return [
        helper.make_node("Unsqueeze", ["bias", "channel_axes"], ["bias_by_channel"]),
        _add("scaled", "bias_by_channel", output),
    ]


def _add(left: str, right: str, output: str) -> NodeProto:
    return helper.make_node("Add", [left, right], [output])


def _prelu(value: str) -> list[NodeProto]:
    # ONNX Runtime's PRelu multiplies a 0 by its slope too, and so may turn its sign.
    return [
        constant("no_slope_from", 0.0),
        helper.make_node("Unsqueeze", ["slope", "channel_axes"], ["slope_by_channel"]),
        helper.make_node("GreaterOrEqual", [value, "no_slope_from"], ["not_negative"]),
        helper.make_node("Mul", [value, "slope_by_channel"], ["sloped"]),
        helper.make_node("Where", ["not_negative", value, "sloped"], ["activated"]),
    ]
