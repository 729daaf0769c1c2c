"""Bodies of XnorLinear, BwnLinear and Int8Linear.

XNOR multiplies in integers: activations as uint8 0 and 2 with zero point 1, weights as int8, exact and several times
faster than float in ONNX Runtime. Binary weights with float activations are unpacked to float.
"""

import numpy as np
from onnx import FunctionProto, NodeProto, helper

from edgenet.exporter.functions.eight_bit import quantize
from edgenet.exporter.functions.nodes import (
    FLOAT,
    INT8,
    UINT8,
    constant,
    make_function,
    sign,
    sign_values,
    unpack_transposed,
)


def xnor_linear() -> FunctionProto:
    nodes = [*xnor_weights(), *sign("x", "threshold", "signs"), *xnor_product("signs"), *_scale_and_bias()]
    return make_function("XnorLinear", ["x", "threshold", "weight", "scale", "bias"], ["y"], nodes, ["weight_shape"])


def bwn_linear() -> FunctionProto:
    nodes = [
        *unpack_transposed(FLOAT),
        helper.make_node("MatMul", ["x", "w_transposed"], ["sum"]),
        *_scale_and_bias(),
    ]
    return make_function("BwnLinear", ["x", "weight", "scale", "bias"], ["y"], nodes, ["weight_shape"])


def int8_linear() -> FunctionProto:
    """Positive and negative activations are multiplied apart, as uint8 of at most 127: without VNNI, ONNX Runtime adds
    products in pairs that saturate at 16 bits, which those of larger activations would."""
    nodes = [
        helper.make_node("Transpose", ["weight"], ["w_transposed"], perm=[1, 0]),
        constant("features", [-1]),
        *quantize("features"),
        constant("first", [0]),
        constant("nothing", 0.0),
        helper.make_node("Neg", ["q"], ["negated"]),
        helper.make_node("Unsqueeze", ["q", "first"], ["q_row"]),
        helper.make_node("Unsqueeze", ["negated", "first"], ["negated_row"]),
        helper.make_node("Concat", ["q_row", "negated_row"], ["both"], axis=0),
        helper.make_node("Max", ["both", "nothing"], ["magnitudes"]),
        helper.make_node("Cast", ["magnitudes"], ["q_parts"], to=UINT8),
        helper.make_node("MatMulInteger", ["q_parts", "w_transposed"], ["sums"]),
        constant("positive_part", np.int64(0)),
        constant("negative_part", np.int64(1)),
        helper.make_node("Gather", ["sums", "positive_part"], ["positive_sum"], axis=0),
        helper.make_node("Gather", ["sums", "negative_part"], ["negative_sum"], axis=0),
        helper.make_node("Sub", ["positive_sum", "negative_sum"], ["integer_sum"]),
        helper.make_node("Cast", ["integer_sum"], ["sum"], to=FLOAT),
        helper.make_node("Mul", ["scale", "step"], ["scale_of_sample"]),
        *_scale_and_bias("scale_of_sample"),
    ]
    return make_function("Int8Linear", ["x", "weight", "scale", "bias"], ["y"], nodes, ["weight_shape"])


def xnor_weights() -> list[NodeProto]:
    """What `xnor_product` multiplies with, and the uint8 signs that it takes: 0 and 2 about a zero point of 1."""
    return [*unpack_transposed(INT8), *sign_values(np.uint8(2), np.uint8(0)), constant("zero_point", np.uint8(1))]


def xnor_product(signs: str) -> list[NodeProto]:
    """`sum` = dot(signs, w) as float32. One call a graph."""
    return [
        helper.make_node("MatMulInteger", [signs, "w_transposed", "zero_point"], ["dot"]),
        helper.make_node("Cast", ["dot"], ["sum"], to=FLOAT),
    ]


def _scale_and_bias(scale: str = "scale") -> list[NodeProto]:
    return [
        helper.make_node("Mul", ["sum", scale], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["y"]),
    ]
