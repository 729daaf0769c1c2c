"""Bodies of XnorLinear and BwnLinear.

XNOR multiplies in integers: activations as uint8 0 and 2 with zero point 1, weights as int8, exact and several times
faster than float in ONNX Runtime. Binary weights with float activations are unpacked to float.
"""

import numpy as np
from onnx import FunctionProto, NodeProto, helper

from edgenet.exporter.functions.nodes import FLOAT, INT8, constant, make_function, sign, unpack_weight


def xnor_linear() -> FunctionProto:
    nodes = [
        *unpack_weight(INT8),
        helper.make_node("Transpose", ["w"], ["w_transposed"], perm=[1, 0]),
        constant("zero_point", np.uint8(1)),
        *sign("x", "threshold", "signs", np.uint8(2), np.uint8(0)),
        helper.make_node("MatMulInteger", ["signs", "w_transposed", "zero_point"], ["dot"]),
        helper.make_node("Cast", ["dot"], ["sum"], to=FLOAT),
        *_scale_and_bias(),
    ]
    return make_function("XnorLinear", ["x", "threshold", "weight", "scale", "bias"], ["y"], nodes, ["weight_shape"])


def bwn_linear() -> FunctionProto:
    nodes = [
        *unpack_weight(FLOAT),
        helper.make_node("Transpose", ["w"], ["w_transposed"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "w_transposed"], ["sum"]),
        *_scale_and_bias(),
    ]
    return make_function("BwnLinear", ["x", "weight", "scale", "bias"], ["y"], nodes, ["weight_shape"])


def _scale_and_bias() -> list[NodeProto]:
    return [
        helper.make_node("Mul", ["sum", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["y"]),
    ]
