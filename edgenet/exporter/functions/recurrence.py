"""Bodies of XnorRecurrence and BwnRecurrence: a Scan over the steps, its weights unpacked once, outside of it."""

import numpy as np
from onnx import FunctionProto, NodeProto, TensorProto, helper

from edgenet.exporter.functions.nodes import FLOAT, INT8, constant, make_function, sign, unpack_weight


def xnor_recurrence() -> FunctionProto:
    step = [
        *sign("state", "threshold", "signs", np.uint8(2), np.uint8(0)),
        helper.make_node("MatMulInteger", ["signs", "w_transposed", "zero_point"], ["dot"]),
        helper.make_node("Cast", ["dot"], ["sum"], to=FLOAT),
    ]
    nodes = [*unpack_weight(INT8), constant("zero_point", np.uint8(1)), *_scan(step)]
    inputs = ["u", "threshold", "weight", "scale", "initial"]
    return make_function("XnorRecurrence", inputs, ["p", "final"], nodes, ["weight_shape"])


def bwn_recurrence() -> FunctionProto:
    step = [
        helper.make_node("Tanh", ["state"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "w_transposed"], ["sum"]),
    ]
    nodes = [*unpack_weight(FLOAT), *_scan(step)]
    return make_function("BwnRecurrence", ["u", "weight", "scale", "initial"], ["p", "final"], nodes, ["weight_shape"])


def _scan(step: list[NodeProto]) -> list[NodeProto]:
    """`step` turns `state` into `sum` with weights of the graph around it; scale, input half and output follow."""
    body = helper.make_graph(
        [
            *step,
            helper.make_node("Mul", ["sum", "scale"], ["scaled"]),
            helper.make_node("Add", ["scaled", "u_step"], ["next_state"]),
            helper.make_node("Identity", ["next_state"], ["p_step"]),
        ],
        "step",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in ("state", "u_step")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in ("next_state", "p_step")],
    )
    return [
        helper.make_node("Transpose", ["w"], ["w_transposed"], perm=[1, 0]),
        helper.make_node("Scan", ["initial", "u"], ["final", "p"], body=body, num_scan_inputs=1),
    ]
