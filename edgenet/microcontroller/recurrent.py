"""Recurrent layers: Elman, LSTM and GRU, with float, binary and XNOR weights, a step at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgenet.microcontroller.graph import STEPS, Node, Value, unsupported
from edgenet.microcontroller.program import Program
from edgenet.microcontroller.storage import Place
from edgenet.microcontroller.sums import Sums, binary_weight_sums, float_sums, loop, not_negative, xnor_sums
from edgenet.microcontroller.text import indent, pack_words, unpack_rows


@dataclass
class Cell:
    """One layer: how many gates, its hidden half, and what its input half and first state are."""

    kind: str
    hidden: int
    sums: Sums
    scale: np.ndarray | None
    """Of the hidden half's sums; None for 1."""
    bias: np.ndarray | None
    """Of a GRU's third part, inside of the reset gate."""
    hard: bool
    """Whether the gates are clipped lines."""
    scratch: list[tuple[str, int, str]]
    before: str = ""
    """C that is done once a step, before the sums."""


_GATES = {"Recurrence": 1, "Rnn": 1, "Lstm": 4, "Gru": 3}


def binary(program: Program, node: Node) -> None:
    """BwnRecurrence, BwnLstm, BwnGru and their XNOR kin."""
    scheme, kind = ("Xnor", node.operator[4:]) if node.operator.startswith("Xnor") else ("Bwn", node.operator[3:])
    rows, hidden = node.attributes["weight_shape"]
    at = 2 if scheme == "Xnor" else 1
    signs, scale = unpack_rows(node.array(at), hidden).astype(bool), node.array(at + 1).astype(np.float32)
    bias = node.array(at + 2).astype(np.float32) if kind == "Gru" else None
    before = ""
    if scheme == "Xnor":
        scale, signs = not_negative(scale, signs)
        threshold = program.constant(node.array(1).astype(np.float32), f"{node.name}_threshold")
        program.kernel("pack_row")
        words = pack_words(signs)
        sums = xnor_sums(program, words, hidden, node.name, "bits")
        before = f"pack_row(h, {threshold}, bits, {hidden});"
        scratch = [("bits", words.shape[1], "bits")]
    else:
        sums = binary_weight_sums(program, signs, node.name, "tanh_h" if kind == "Recurrence" else "h")
        scratch = [("float", rows, "sums")]
        if kind == "Recurrence":
            before = loop(hidden, "tanh_h[o] = tanhf(h[o]);")
            scratch.append(("float", hidden, "tanh_h"))
        before = f"{before}\n{sums.before}".strip()
    cell = Cell(kind, hidden, sums, scale, bias, scheme == "Xnor", scratch, before)
    states = node.inputs[-2:] if kind == "Lstm" else node.inputs[-1:]
    places = _outputs(program, node, hidden, len(states))
    first = [None if state is None or _is_zero(state) else program.read(state) for state in states]
    _emit(program, node, cell, node.input(0), first, places, hidden)


def _is_zero(state: Value) -> bool:
    return state.constant is not None and not np.any(state.constant)


def _emit(
    program: Program, node: Node, cell: Cell, u: Value, first: Sequence[Place | None], places: Sequence[Place],
    stride: int, reverse: bool = False,
) -> None:  # fmt: skip
    """Write the layer's function and its call.

    It reads the input half of a step, u, from where it lies or by calling the layer that makes it; `first` is the first
    state, None for zeros; `places` are those of the steps' outputs, `stride` numbers apart, and of the final state.
    """
    hidden, width = cell.hidden, cell.hidden * _GATES[cell.kind]
    rows = program.row_functions.get(id(u))
    scratch = [(program.scratch(kind, count), called) for kind, count, called in cell.scratch]
    scratch.append((program.scratch("float", width), "p"))
    if rows is None:
        if u.columns != width:
            raise unsupported(node, "it reads more than one row of a sample a step")
        parameters, arguments = ["const float* u"], [program.read(u)]
        fetch = f"const float* in = u + at * {width};"
    else:
        rows.source.buffer.use(program.moment)
        parameters, arguments = [f"const {rows.source.buffer.c_type}* x"], [rows.source]
        names = [f"s{index}" for index in range(len(rows.scratch))]
        scratch += [(program.scratch("float", width), "in"), *zip(rows.scratch, names, strict=True)]
        fetch = f"{rows.name}(x + at * {rows.stride}, in{''.join(f', {name}' for name in names)});"
    parameters.append("float* y")
    arguments.append(places[0])
    setup = []
    for called, place, state in zip("hc", places[1:], first, strict=False):
        parameters.append(f"float* {called}")
        arguments.append(place)
        if state is None:
            setup.append(f"memset({called}, 0, {hidden} * sizeof(float));")
        else:
            parameters.append(f"const float* first_{called}")
            arguments.append(state)
            setup.append(f"memcpy({called}, first_{called}, {hidden} * sizeof(float));")
    for buffer, called in scratch:
        buffer.use(program.moment)
        parameters.append(f"{buffer.c_type}* {called}")
    position = f"const int at = {'steps - 1 - t' if reverse else 't'};"
    store = f"memcpy(y + at * {stride}, h, {hidden} * sizeof(float));"
    step = "\n".join(filter(None, [position, fetch, cell.before, _CELLS[cell.kind](program, cell, node), store]))
    name = program.function_name(node)
    body = "\n".join([*setup, loop("steps", step, "t")])
    parameters.append("int steps")
    program.functions.append(f"LAYER void {name}({', '.join(parameters)}) {{\n{indent(body, 2)}\n}}\n")
    count = "steps" if STEPS in node.outputs[0].shape else str(node.outputs[0].shape[0])
    program.call(name, [*arguments, *(buffer for buffer, _ in scratch), count])


def _outputs(program: Program, node: Node, hidden: int, states: int, directions: int = 1) -> list[Place]:
    """Room for the outputs: of every step, then the state's, which are scratch where nobody reads them."""
    places: list[Place] = []
    for index in range(1 + states):
        output = node.outputs[index] if index < len(node.outputs) else None
        if output is not None and (index == 0 or output.consumers or output.is_output):
            places.append(program.write(output))
        else:
            places.append(Place(program.scratch("float", hidden * directions)))
    return places


def _preactivation(program: Program, cell: Cell, node: Node, outputs: int, with_input: bool) -> str:
    """C of `p = scale * sum + u` for every output."""
    value = cell.sums.as_float.format(cell.sums.value)
    scaled = value if cell.scale is None else f"{program.constant(cell.scale, f'{node.name}_scale')}[o] * ({value})"
    text = f"const float d = {scaled};\np[o] = d{' + in[o]' if with_input else ''};"
    return loop(outputs, text)


def _recurrence(program: Program, cell: Cell, node: Node) -> str:
    return f"{_preactivation(program, cell, node, cell.hidden, True)}\nmemcpy(h, p, {cell.hidden} * sizeof(float));"


def _tanh_recurrence(program: Program, cell: Cell, node: Node) -> str:
    return f"{_preactivation(program, cell, node, cell.hidden, True)}\n{loop(cell.hidden, 'h[o] = tanhf(p[o]);')}"


def _lstm(program: Program, cell: Cell, node: Node) -> str:
    n = cell.hidden
    s, k = _functions(program, cell)
    gates = (
        f"const float kept = {s}(p[o + {n}]) * c[o], added = {s}(p[o]) * {k}(p[o + {2 * n}]);\n"
        f"c[o] = kept + added;\nh[o] = {s}(p[o + {3 * n}]) * {k}(c[o]);"
    )
    return f"{_preactivation(program, cell, node, 4 * n, True)}\n{loop(n, gates)}"


def _gru(program: Program, cell: Cell, node: Node) -> str:
    n = cell.hidden
    s, k = _functions(program, cell)
    assert cell.bias is not None
    bias = program.constant(cell.bias, f"{node.name}_bias")
    gates = (
        f"const float r = {s}(p[o] + in[o]), z = {s}(p[o + {n}] + in[o + {n}]);\n"
        f"const float inner = r * (p[o + {2 * n}] + {bias}[o]);\n"
        f"const float new = {k}(inner + in[o + {2 * n}]), kept = z * h[o];\n"
        "const float made = (1.0f - z) * new;\nh[o] = made + kept;"
    )
    return f"{_preactivation(program, cell, node, 3 * n, False)}\n{loop(n, gates)}"


def _functions(program: Program, cell: Cell) -> tuple[str, str]:
    """The names of the gates' functions s and k."""
    if cell.hard:
        program.kernel("hard_gates")
        return "hard_sigmoid", "hard_tanh"
    program.kernel("logistic")
    return "logistic", "tanhf"


_CELLS: dict[str, Callable[[Program, Cell, Node], str]] = {
    "Recurrence": _recurrence, "Rnn": _tanh_recurrence, "Lstm": _lstm, "Gru": _gru,
}  # fmt: skip
# From ONNX's order of the gates to that of the edgenet operators.
_ORDERS = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}


def standard(program: Program, node: Node) -> None:
    """ONNX's RNN, LSTM and GRU in one direction, as the exporter writes them."""
    order = _ORDERS[node.operator]
    hidden = node.attributes["hidden_size"]
    direction = node.get("direction", "forward")
    activations = node.get("activations", None)
    if node.get("layout", 0) or node.get("clip", None):
        raise unsupported(node, "C can be written for layout 0 and no clipping")
    if activations and {name.lower() for name in activations} != {"tanh"}:
        raise unsupported(node, "C can be written for the usual activations only")
    if node.operator == "GRU" and not node.get("linear_before_reset", 0):
        raise unsupported(node, "linear_before_reset must be 1")
    if node.given(4) is not None and node.input(4).constant is None:
        raise unsupported(node, "the lengths of its sequences are computed")

    def ordered(array: np.ndarray) -> np.ndarray:
        parts = array.astype(np.float32).reshape(len(order), hidden, -1)
        return np.ascontiguousarray(parts[order].reshape(len(order) * hidden, -1))

    kind = {"RNN": "Rnn", "LSTM": "Lstm", "GRU": "Gru"}[node.operator]
    reverses = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    states = [node.given(5), node.given(6)][: 2 if kind == "Lstm" else 1]
    places = _outputs(program, node, hidden, len(states), len(reverses))
    first = [None if state is None or _is_zero(state) else program.read(state) for state in states]
    for index, reverse in enumerate(reverses):
        weight, recurrent = ordered(node.array(1)[index]), ordered(node.array(2)[index])
        both = np.zeros(2 * len(weight), np.float32) if node.given(3) is None else node.array(3)[index]
        input_bias, hidden_bias = (ordered(half).ravel() for half in np.split(both, 2))
        bias = None
        if kind == "Gru":
            bias = hidden_bias[2 * hidden :].copy()
            hidden_bias[2 * hidden :] = 0
        sums = float_sums(program, recurrent, f"{node.name}_recurrent", "h")
        cell = Cell(kind, hidden, sums, None, bias, False, [])
        u = _input_half(program, node, weight, input_bias + hidden_bias)
        own = [_part(place, index * hidden) for place in places]
        started = [None if state is None else _part(state, index * hidden) for state in first]
        _emit(program, node, cell, u, started, own, hidden * len(reverses), reverse)


def _part(place: Place, offset: int) -> Place:
    """What begins some numbers behind a place."""
    return Place(place.buffer, " + ".join(filter(None, (place.start, str(offset) if offset else ""))))


def _input_half(program: Program, node: Node, weight: np.ndarray, bias: np.ndarray) -> Value:
    """The input half of a layer as a linear layer that it calls step by step."""
    from edgenet.microcontroller.linear import float_row_function

    x = node.input(0)
    u = Value(f"{node.name}/input", (*x.shape[:-1], len(weight)))
    float_row_function(program, node, x, u, weight, bias)
    return u


LOWERINGS = {
    **dict.fromkeys(("XnorRecurrence", "BwnRecurrence", "XnorLstm", "BwnLstm", "XnorGru", "BwnGru"), binary),
    **dict.fromkeys(("RNN", "LSTM", "GRU"), standard),
}
