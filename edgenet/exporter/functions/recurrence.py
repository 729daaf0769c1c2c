"""Bodies of the recurrences: a Scan over the steps, its weights unpacked once, outside of it."""

from collections.abc import Sequence

from onnx import FunctionProto, NodeProto, TensorProto, helper

from edgenet.exporter.functions.linear import xnor_product
from edgenet.exporter.functions.nodes import FLOAT, INT8, make_function, unpack_transposed


def xnor_recurrence() -> FunctionProto:
    nodes = [*unpack_transposed(INT8), *_elman(xnor_product("state"))]
    inputs = ["u", "threshold", "weight", "scale", "initial"]
    return make_function("XnorRecurrence", inputs, ["p", "final"], nodes, ["weight_shape"])


def bwn_recurrence() -> FunctionProto:
    step = [
        helper.make_node("Tanh", ["state"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "w_transposed"], ["sum"]),
    ]
    nodes = [*unpack_transposed(FLOAT), *_elman(step)]
    return make_function("BwnRecurrence", ["u", "weight", "scale", "initial"], ["p", "final"], nodes, ["weight_shape"])


def _elman(product: list[NodeProto]) -> list[NodeProto]:
    """`product` turns `state` into `sum`; scale and input half follow."""
    step = [
        *product,
        helper.make_node("Mul", ["sum", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "u_step"], ["next_state"]),
    ]
    return scan(step, {"state": ("initial", "next_state", "final")}, "p")


def scan(step: list[NodeProto], states: dict[str, tuple[str, str, str]], output: str) -> list[NodeProto]:
    """A Scan of `step` over `u`, whose slice is `u_step`.

    Args:
        step: the nodes of one step; they may read whatever the function has.
        states: name within the step -> (what it begins as, what a step makes of it, what it ends as).
        output: the sequence of what the steps make of the first state.
    """
    first = next(iter(states.values()))[1]
    body = helper.make_graph(
        [*step, helper.make_node("Identity", [first], ["output_step"])],
        "step",
        _matrices([*states, "u_step"]),
        _matrices([*(following for _, following, _ in states.values()), "output_step"]),
    )
    begin = [initial for initial, _, _ in states.values()]
    end = [final for _, _, final in states.values()]
    return [helper.make_node("Scan", [*begin, "u"], [*end, output], body=body, num_scan_inputs=1)]


def _matrices(names: Sequence[str]) -> list:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in names]
