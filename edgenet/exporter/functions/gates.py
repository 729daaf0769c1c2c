"""Bodies of the LSTM and GRU recurrences. XNOR: integer products and hard gates; BWN: float ones and smooth gates."""

from onnx import FunctionProto, NodeProto, helper

from edgenet.exporter.functions.linear import xnor_product
from edgenet.exporter.functions.nodes import FLOAT, INT8, constant, make_function, unpack_transposed
from edgenet.exporter.functions.recurrence import scan

_GATE_CONSTANTS = [constant("quarter", 0.25), constant("half", 0.5), constant("low", -1.0), constant("off", 0.0)]


def xnor_lstm() -> FunctionProto:
    return _lstm("XnorLstm", hard=True)


def bwn_lstm() -> FunctionProto:
    return _lstm("BwnLstm", hard=False)


def xnor_gru() -> FunctionProto:
    return _gru("XnorGru", hard=True)


def bwn_gru() -> FunctionProto:
    return _gru("BwnGru", hard=False)


def _lstm(name: str, hard: bool) -> FunctionProto:
    step = [
        *_product(hard),
        helper.make_node("Add", ["d", "u_step"], ["p"]),
        helper.make_node("Split", ["p"], ["p_i", "p_f", "p_g", "p_o"], axis=-1, num_outputs=4),
        *(node for gate in "ifo" for node in _gate(f"p_{gate}", gate, hard)),
        *_squash("p_g", "g", hard),
        helper.make_node("Mul", ["f", "cell"], ["kept"]),
        helper.make_node("Mul", ["i", "g"], ["written"]),
        helper.make_node("Add", ["kept", "written"], ["next_cell"]),
        *_squash("next_cell", "shown", hard),
        helper.make_node("Mul", ["o", "shown"], ["next_hidden"]),
    ]
    states = {
        "hidden": ("initial", "next_hidden", "final"),
        "cell": ("initial_cell", "next_cell", "final_cell"),
    }
    inputs = ["u", *_thresholds(hard), "weight", "scale", "initial", "initial_cell"]
    return _function(name, inputs, ["h", "final", "final_cell"], scan(step, states, "h"), hard)


def _gru(name: str, hard: bool) -> FunctionProto:
    step = [
        *_product(hard),
        helper.make_node("Split", ["d"], ["d_r", "d_z", "d_n"], axis=-1, num_outputs=3),
        helper.make_node("Split", ["u_step"], ["u_r", "u_z", "u_n"], axis=-1, num_outputs=3),
        *(helper.make_node("Add", [f"d_{gate}", f"u_{gate}"], [f"p_{gate}"]) for gate in "rz"),
        *(node for gate in "rz" for node in _gate(f"p_{gate}", gate, hard)),
        helper.make_node("Add", ["d_n", "bias"], ["biased"]),
        helper.make_node("Mul", ["r", "biased"], ["reset"]),
        helper.make_node("Add", ["reset", "u_n"], ["p_n"]),
        *_squash("p_n", "n", hard),
        helper.make_node("Sub", ["high", "z"], ["rest"]),
        helper.make_node("Mul", ["rest", "n"], ["written"]),
        helper.make_node("Mul", ["z", "hidden"], ["kept"]),
        helper.make_node("Add", ["written", "kept"], ["next_hidden"]),
    ]
    inputs = ["u", *_thresholds(hard), "weight", "scale", "bias", "initial"]
    states = {"hidden": ("initial", "next_hidden", "final")}
    return _function(name, inputs, ["h", "final"], scan(step, states, "h"), hard)


def _function(name: str, inputs: list[str], outputs: list[str], nodes: list[NodeProto], hard: bool) -> FunctionProto:
    weights = unpack_transposed(INT8 if hard else FLOAT)
    nodes = [*weights, constant("high", 1.0), *(_GATE_CONSTANTS if hard else []), *nodes]
    return make_function(name, inputs, outputs, nodes, ["weight_shape"])


def _thresholds(hard: bool) -> list[str]:
    return ["threshold"] if hard else []


def _product(hard: bool) -> list[NodeProto]:
    """`d`: the scaled product of `hidden` and the weights, all gates side by side."""
    product = xnor_product("hidden") if hard else [helper.make_node("MatMul", ["hidden", "w_transposed"], ["sum"])]
    return [*product, helper.make_node("Mul", ["sum", "scale"], ["d"])]


def _gate(value: str, output: str, hard: bool) -> list[NodeProto]:
    """s of SPEC.md; Max and Min, since ONNX Runtime's Clip and HardSigmoid need not hand a NaN on."""
    if not hard:
        return [helper.make_node("Sigmoid", [value], [output])]
    return [
        helper.make_node("Mul", [value, "quarter"], [f"{output}_quartered"]),
        helper.make_node("Add", [f"{output}_quartered", "half"], [f"{output}_line"]),
        helper.make_node("Max", [f"{output}_line", "off"], [f"{output}_from_off"]),
        helper.make_node("Min", [f"{output}_from_off", "high"], [output]),
    ]


def _squash(value: str, output: str, hard: bool) -> list[NodeProto]:
    """k of SPEC.md."""
    if not hard:
        return [helper.make_node("Tanh", [value], [output])]
    return [
        helper.make_node("Max", [value, "low"], [f"{output}_from_low"]),
        helper.make_node("Min", [f"{output}_from_low", "high"], [output]),
    ]
