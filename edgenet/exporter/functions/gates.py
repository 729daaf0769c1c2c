"""Bodies of the LSTM and GRU recurrences. XNOR: integer products and hard gates; BWN: float ones and smooth gates.

Hard gates are HardSigmoid and Clip, one pass each where Max and Min take two slower ones. A quarter of a number is
exact, so HardSigmoid rounds as export/SPEC.md says even where it multiplies and adds in one; both hand a NaN on.
"""

from onnx import FunctionProto, NodeProto, helper

from edgenet.exporter.functions.nodes import FLOAT, constant, make_function, unpack_transposed
from edgenet.exporter.functions.products import xnor_product, xnor_signs, xnor_weights
from edgenet.exporter.functions.scan import SIGNS, State, last_step, scan
from edgenet.exporter.functions.triples import UNITS, triple_product, triple_weights

_HIDDEN = State("hidden", "initial", "next_hidden", "final")
_CELL = State("cell", "initial_cell", "next_cell", "final_cell")
_SCALE_SUM = helper.make_node("Mul", ["sum", "scale"], ["scaled"])
_ADD_INPUT = helper.make_node("Add", ["scaled", "u_step"], ["p"])
_SAME_HIDDEN = helper.make_node("Identity", ["h_step"], ["next_hidden"])


def xnor_lstm(in_triples: bool = False) -> FunctionProto:
    """The body; `in_triples` as large.py chooses."""
    step = [
        *xnor_product("signs", in_triples),
        _ADD_INPUT,
        helper.make_node("Split", ["p"], ["p_i", "p_f", "p_g", "p_o"], axis=-1, num_outputs=4),
        *(_hard_sigmoid(f"p_{gate}", gate) for gate in "ifo"),
        _hard_tanh("p_g", "g"),
        *_next_cell(),
        _hard_tanh("next_cell", "shown"),
        helper.make_node("Mul", ["o", "shown"], ["h_step"]),
        *xnor_signs("h_step", "threshold", "next_signs", in_triples),
    ]
    nodes = [
        *xnor_weights(in_triples),
        *_limits(),
        *xnor_signs("initial", "threshold", "initial_signs", in_triples),
        *scan(step, [SIGNS, _CELL], "h_step", "h"),
        *last_step("h", "final"),
    ]
    inputs = ["u", "threshold", "weight", "scale", "initial", "initial_cell"]
    return make_function("XnorLstm", inputs, ["h", "final", "final_cell"], nodes, ["weight_shape"])


def bwn_lstm() -> FunctionProto:
    step = [
        helper.make_node("MatMul", ["hidden", "w_transposed"], ["sum"]),
        _SCALE_SUM,
        _ADD_INPUT,
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


def xnor_gru(in_triples: bool = False) -> FunctionProto:
    """The body; `in_triples` as large.py chooses."""
    step = [
        *xnor_signs("hidden", "threshold", "signs", in_triples),
        *(_gates_in_triples() if in_triples else _gates_together()),
        *_candidate(),
        _hard_tanh("p_n", "n"),
        *_blend(),
    ]
    sequences = ["u_r", "u_z", "u_n"] if in_triples else ["u"]
    weights = [*triple_weights(), *_split_by_gate()] if in_triples else [*xnor_weights(in_triples), *_gru_sizes()]
    nodes = [*weights, *_limits(), *scan(step, [_HIDDEN], "h_step", "h", sequences)]
    inputs = ["u", "threshold", "weight", "scale", "bias", "initial"]
    return make_function("XnorGru", inputs, ["h", "final"], nodes, ["weight_shape"])


def bwn_gru() -> FunctionProto:
    step = [
        helper.make_node("MatMul", ["hidden", "w_transposed"], ["sum"]),
        _SCALE_SUM,
        *_split_gru(),
        helper.make_node("Sigmoid", ["p_rz"], ["rz"]),
        _split_rz(),
        *_candidate(),
        helper.make_node("Tanh", ["p_n"], ["n"]),
        *_blend(),
    ]
    scanned = scan(step, [_HIDDEN], "h_step", "h")
    nodes = [*unpack_transposed(FLOAT), constant("high", 1.0), *_gru_sizes(), *scanned]
    return make_function("BwnGru", ["u", "weight", "scale", "bias", "initial"], ["h", "final"], nodes, ["weight_shape"])


def _limits() -> list[NodeProto]:
    return [constant("low", -1.0), constant("high", 1.0)]


def _hard_sigmoid(value: str, output: str) -> NodeProto:
    return helper.make_node("HardSigmoid", [value], [output], alpha=0.25, beta=0.5)


def _hard_tanh(value: str, output: str) -> NodeProto:
    return helper.make_node("Clip", [value, "low", "high"], [output])


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
        helper.make_node("Split", ["scaled", "two_and_one"], ["d_rz", "d_n"], axis=-1),
        helper.make_node("Split", ["u_step", "two_and_one"], ["u_rz", "u_n_step"], axis=-1),
        helper.make_node("Add", ["d_rz", "u_rz"], ["p_rz"]),
    ]


def _split_rz() -> NodeProto:
    return helper.make_node("Split", ["rz"], ["r", "z"], axis=-1, num_outputs=2)


def _gates_together() -> list[NodeProto]:
    """The gates `r` and `z`, and `d_n` and `u_n` of the candidate."""
    return [*xnor_product("signs", in_triples=False), *_split_gru(), _hard_sigmoid("p_rz", "rz"), _split_rz()]


def _gates_in_triples() -> list[NodeProto]:
    """The same; a triple is r, z and n of one output, so there is nothing to join, and z is the same of -0.0."""
    return [
        *triple_product("signs"),
        *_gate("first", "r"),
        *_gate("second", "z"),
        helper.make_node("Mul", ["third", "third_scale"], ["d_n"]),
    ]


def _split_by_gate() -> list[NodeProto]:
    """The sequences of the gates, and the scales by which parts of `triple_product` become those of the gates."""
    scales = [f"scale_of_{part}" for part in UNITS]
    return [
        helper.make_node("Split", ["u"], ["u_r", "u_z", "u_n"], axis=-1, num_outputs=3),
        helper.make_node("Split", ["scale"], scales, axis=-1, num_outputs=3),
        *(constant(f"unit_of_{part}", unit) for part, unit in UNITS.items()),
        *(helper.make_node("Mul", [f"scale_of_{part}", f"unit_of_{part}"], [f"{part}_scale"]) for part in UNITS),
    ]


def _gate(dot: str, gate: str) -> list[NodeProto]:
    return [
        helper.make_node("Mul", [dot, f"{dot}_scale"], [f"d_{gate}"]),
        helper.make_node("Add", [f"d_{gate}", f"u_{gate}_step"], [f"p_{gate}"]),
        _hard_sigmoid(f"p_{gate}", gate),
    ]


def _candidate() -> list[NodeProto]:
    return [
        helper.make_node("Add", ["d_n", "bias"], ["biased"]),
        helper.make_node("Mul", ["r", "biased"], ["reset"]),
        helper.make_node("Add", ["reset", "u_n_step"], ["p_n"]),
    ]


def _blend() -> list[NodeProto]:
    return [
        helper.make_node("Sub", ["high", "z"], ["rest"]),
        helper.make_node("Mul", ["rest", "n"], ["written"]),
        helper.make_node("Mul", ["z", "hidden"], ["kept"]),
        helper.make_node("Add", ["written", "kept"], ["h_step"]),
        _SAME_HIDDEN,
    ]
