"""Bodies of the LSTM and GRU recurrences. XNOR: integer products and hard gates; BWN: float ones and smooth gates.

Hard gates are made of Mul, Add, Max and Min, for all gates at once: ONNX Runtime's HardSigmoid and Clip need not hand a
NaN on, and calling a node takes as long as its numbers do.
"""

import numpy as np
from onnx import FunctionProto, NodeProto, helper

from edgenet.exporter.functions.linear import xnor_product, xnor_weights
from edgenet.exporter.functions.nodes import FLOAT, constant, make_function, sign, unpack_transposed
from edgenet.exporter.functions.scan import SIGNS, State, last_step, scan

_HIDDEN = State("hidden", "initial", "next_hidden", "final")
_CELL = State("cell", "initial_cell", "next_cell", "final_cell")
_SAME_HIDDEN = helper.make_node("Identity", ["h_step"], ["next_hidden"])


def xnor_lstm() -> FunctionProto:
    step = [
        *xnor_product("signs"),
        *_add_input(),
        helper.make_node("Mul", ["p", "gate_slopes"], ["p_sloped"]),
        helper.make_node("Add", ["p_sloped", "gate_middles"], ["p_raised"]),
        *_limit("p_raised", "gates", "gate_minima"),
        helper.make_node("Split", ["gates"], ["i", "f", "g", "o"], axis=-1, num_outputs=4),
        *_next_cell(),
        *_limit("next_cell", "shown", "low"),
        helper.make_node("Mul", ["o", "shown"], ["h_step"]),
        *sign("h_step", "threshold", "next_signs"),
    ]
    nodes = [
        *xnor_weights(),
        *_hard_constants(),
        # -0.0 is what leaves every number as it is.
        *_each_gate("gate_slopes", [0.25, 0.25, 1, 0.25]),
        *_each_gate("gate_middles", [0.5, 0.5, -0.0, 0.5]),
        *_each_gate("gate_minima", [0, 0, -1, 0]),
        *sign("initial", "threshold", "initial_signs"),
        *scan(step, [SIGNS, _CELL], "h_step", "h"),
        *last_step("h", "final"),
    ]
    inputs = ["u", "threshold", "weight", "scale", "initial", "initial_cell"]
    return make_function("XnorLstm", inputs, ["h", "final", "final_cell"], nodes, ["weight_shape"])


def bwn_lstm() -> FunctionProto:
    step = [
        helper.make_node("MatMul", ["hidden", "w_transposed"], ["sum"]),
        *_add_input(),
        helper.make_node("Split", ["p"], ["p_i", "p_f", "p_g", "p_o"], axis=-1, num_outputs=4),
        *(helper.make_node("Sigmoid", [f"p_{gate}"], [gate]) for gate in "ifo"),
        helper.make_node("Tanh", ["p_g"], ["g"]),
        *_next_cell(),
        helper.make_node("Tanh", ["next_cell"], ["shown"]),
        helper.make_node("Mul", ["o", "shown"], ["h_step"]),
        _SAME_HIDDEN,
    ]
    nodes = [*unpack_transposed(FLOAT), *scan(step, [_HIDDEN, _CELL], "h_step", "h")]
    inputs = ["u", "weight", "scale", "initial", "initial_cell"]
    return make_function("BwnLstm", inputs, ["h", "final", "final_cell"], nodes, ["weight_shape"])


def xnor_gru() -> FunctionProto:
    step = [
        *sign("hidden", "threshold", "signs"),
        *xnor_product("signs"),
        *_split_gru(),
        helper.make_node("Mul", ["p_rz", "quarter"], ["rz_sloped"]),
        helper.make_node("Add", ["rz_sloped", "half"], ["rz_raised"]),
        *_limit("rz_raised", "rz", "off"),
        *_candidate(),
        *_limit("p_n", "n", "low"),
        *_blend(),
    ]
    nodes = [*xnor_weights(), *_hard_constants(), *_gru_sizes(), *scan(step, [_HIDDEN], "h_step", "h")]
    inputs = ["u", "threshold", "weight", "scale", "bias", "initial"]
    return make_function("XnorGru", inputs, ["h", "final"], nodes, ["weight_shape"])


def bwn_gru() -> FunctionProto:
    step = [
        helper.make_node("MatMul", ["hidden", "w_transposed"], ["sum"]),
        *_split_gru(),
        helper.make_node("Sigmoid", ["p_rz"], ["rz"]),
        *_candidate(),
        helper.make_node("Tanh", ["p_n"], ["n"]),
        *_blend(),
    ]
    scanned = scan(step, [_HIDDEN], "h_step", "h")
    nodes = [*unpack_transposed(FLOAT), constant("high", 1.0), *_gru_sizes(), *scanned]
    return make_function("BwnGru", ["u", "weight", "scale", "bias", "initial"], ["h", "final"], nodes, ["weight_shape"])


def _hard_constants() -> list[NodeProto]:
    values = {"quarter": 0.25, "half": 0.5, "off": 0.0, "low": -1.0, "high": 1.0}
    return [constant(name, value) for name, value in values.items()]


def _each_gate(name: str, values: list[float]) -> list[NodeProto]:
    """A vector [gates * H] that holds each gate's value H times."""
    return [
        constant(f"{name}_values", np.asarray(values, np.float32).reshape(-1, 1)),
        helper.make_node("Expand", [f"{name}_values", "row_shape"], [f"{name}_rows"]),
        helper.make_node("Reshape", [f"{name}_rows", "all_rows"], [name]),
    ]


def _add_input() -> list[NodeProto]:
    return [
        helper.make_node("Mul", ["sum", "scale"], ["d"]),
        helper.make_node("Add", ["d", "u_step"], ["p"]),
    ]


def _limit(value: str, output: str, minimum: str) -> list[NodeProto]:
    return [
        helper.make_node("Max", [value, minimum], [f"{output}_at_least"]),
        helper.make_node("Min", [f"{output}_at_least", "high"], [output]),
    ]


def _next_cell() -> list[NodeProto]:
    return [
        helper.make_node("Mul", ["f", "cell"], ["kept"]),
        helper.make_node("Mul", ["i", "g"], ["written"]),
        helper.make_node("Add", ["kept", "written"], ["next_cell"]),
    ]


def _gru_sizes() -> list[NodeProto]:
    """`two_and_one`: [2H, H], the sizes of what is for the gates r and z and what is for n."""
    return [
        constant("two_to_one", [2, 1]),
        helper.make_node("Mul", ["row_shape", "two_to_one"], ["two_and_one"]),
    ]


def _split_gru() -> list[NodeProto]:
    return [
        helper.make_node("Mul", ["sum", "scale"], ["d"]),
        helper.make_node("Split", ["d", "two_and_one"], ["d_rz", "d_n"], axis=-1),
        helper.make_node("Split", ["u_step", "two_and_one"], ["u_rz", "u_n"], axis=-1),
        helper.make_node("Add", ["d_rz", "u_rz"], ["p_rz"]),
    ]


def _candidate() -> list[NodeProto]:
    return [
        helper.make_node("Split", ["rz"], ["r", "z"], axis=-1, num_outputs=2),
        helper.make_node("Add", ["d_n", "bias"], ["biased"]),
        helper.make_node("Mul", ["r", "biased"], ["reset"]),
        helper.make_node("Add", ["reset", "u_n"], ["p_n"]),
    ]


def _blend() -> list[NodeProto]:
    return [
        helper.make_node("Sub", ["high", "z"], ["rest"]),
        helper.make_node("Mul", ["rest", "n"], ["written"]),
        helper.make_node("Mul", ["z", "hidden"], ["kept"]),
        helper.make_node("Add", ["written", "kept"], ["h_step"]),
        _SAME_HIDDEN,
    ]
