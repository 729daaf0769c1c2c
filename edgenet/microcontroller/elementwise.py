"""Operators on single numbers, where no layer could do them to its sums."""

from edgenet.microcontroller.absorption import step_of
from edgenet.microcontroller.graph import STEPS, Node, Value, unsupported
from edgenet.microcontroller.program import Program
from edgenet.microcontroller.sums import finish, loop
from edgenet.microcontroller.text import indent

_SYMBOLS = {"Add": "+", "Mul": "*", "Sub": "-"}


def channels_of(value: Value) -> tuple[int, int]:
    """How many channels a value has, and how many numbers side by side are of one channel."""
    if len(value.shape) == 4:
        return value.shape[1], value.shape[2] * value.shape[3]
    return value.shape[-1], 1


def elementwise(program: Program, node: Node) -> None:
    """One or more steps on every number."""
    x, y = node.input(0), node.outputs[0]
    if x.constant is not None and len(node.inputs) == 2:
        x = node.input(1)
    channels, inner = channels_of(x)
    count = "count"
    steps = step_of(program, node, x, channels)
    if steps is not None and x.shape == y.shape:
        channel = f"(i / {inner}) % {channels}" if inner > 1 else f"i % {channels}"
        text = finish(program, steps, node.name, "i", channel)
        other = next((step.residual for step in steps if step.residual is not None), None)
    elif (
        node.operator in ("Add", "Mul", "Sub")
        and node.input(0).shape == node.input(1).shape == y.shape
        and node.input(0).constant is None
        and node.input(1).constant is None
    ):
        other = node.input(1)
        text = f"v {_SYMBOLS[node.operator]}= residual[i];"
    else:
        raise unsupported(node, "its inputs are of different shapes")
    name = program.function_name(node)
    rest = ", const float* residual" if other is not None else ""
    body = loop(count, f"float v = x[i];\n{text}\ny[i] = v;", "i")
    program.functions.append(
        f"LAYER void {name}(const float* x, float* y, int count{rest}) {{\n{indent(body, 2)}\n}}\n"
    )
    total = f"{x.columns} * steps" if x.rows == STEPS else str(x.columns)
    extra = [program.read(other)] if other is not None else []
    program.call(name, [program.read(x), program.write(y), total, *extra])


LOWERINGS = dict.fromkeys(
    ("Relu", "Tanh", "Sigmoid", "LeakyRelu", "PRelu", "Clip", "Add", "Mul", "Sub", "BatchNormalization"), elementwise
)
