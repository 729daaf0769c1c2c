"""Bodies of XnorRecurrence and BwnRecurrence: a Scan over the steps, its weights unpacked once, outside of it."""

from onnx import FunctionProto, NodeProto, helper

from edgenet.exporter.functions.nodes import FLOAT, make_function, unpack_transposed
from edgenet.exporter.functions.products import xnor_product, xnor_signs, xnor_weights
from edgenet.exporter.functions.scan import SIGNS, State, last_step, scan

_ADD_INPUT = helper.make_node("Add", ["scaled", "u_step"], ["p_step"])


def xnor_recurrence(in_triples: bool = False) -> FunctionProto:
    """The body; `in_triples` as large.py chooses."""
    step = [
        *xnor_product("signs", in_triples),
        _ADD_INPUT,
        *xnor_signs("p_step", "threshold", "next_signs", in_triples),
    ]
    nodes = [
        *xnor_weights(in_triples),
        *xnor_signs("initial", "threshold", "initial_signs", in_triples),
        *scan(step, [SIGNS], "p_step", "p"),
        *last_step("p", "final"),
    ]
    return _function("XnorRecurrence", ["u", "threshold", "weight", "scale", "initial"], nodes)


def bwn_recurrence() -> FunctionProto:
    step = [
        helper.make_node("Tanh", ["state"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "w_transposed"], ["sum"]),
        helper.make_node("Mul", ["sum", "scale"], ["scaled"]),
        _ADD_INPUT,
        helper.make_node("Identity", ["p_step"], ["next_state"]),
    ]
    nodes = [*unpack_transposed(FLOAT), *scan(step, [State("state", "initial", "next_state", "final")], "p_step", "p")]
    return _function("BwnRecurrence", ["u", "weight", "scale", "initial"], nodes)


def _function(name: str, inputs: list[str], nodes: list[NodeProto]) -> FunctionProto:
    return make_function(name, inputs, ["p", "final"], nodes, ["weight_shape"])
