"""Bodies of XnorLinear, BwnLinear and Int8Linear.

XNOR multiplies in integers: activations as uint8 0 and 2 with zero point 1, weights as int8, exact and several times
faster than float in ONNX Runtime. Binary weights with float activations are unpacked to float.
"""

import numpy as np
from onnx import FunctionProto, NodeProto, helper

from edgenet.exporter.functions.eight_bit import quantize
from edgenet.exporter.functions.nodes import (
    FLOAT,
    UINT8,
    constant,
    make_function,
    unpack_transposed,
)
from edgenet.exporter.functions.products import xnor_product, xnor_signs, xnor_weights


def xnor_linear(in_triples: bool = False) -> FunctionProto:
    """The body; `in_triples` as large.py chooses."""
    nodes = [
        *xnor_weights(in_triples),
        *xnor_signs("x", "threshold", "signs", in_triples),
        *xnor_product("signs", in_triples),
        helper.make_node("Add", ["scaled", "bias"], ["y"]),
    ]
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


def _scale_and_bias(scale: str = "scale") -> list[NodeProto]:
    return [
        helper.make_node("Mul", ["sum", scale], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["y"]),
    ]
