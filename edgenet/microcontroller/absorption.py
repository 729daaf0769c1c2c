"""What follows a layer and can be done to its sums before they are stored."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgenet.microcontroller.epilogue import Step
from edgenet.microcontroller.graph import STEPS, Node, Value
from edgenet.microcontroller.preparation import SIGN

if TYPE_CHECKING:
    from edgenet.microcontroller.program import Program


@dataclass
class Absorbed:
    """The steps on a layer's sums and what they give."""

    value: Value
    steps: list[Step] = field(default_factory=list)
    pool: tuple[int, int] = (1, 1)
    """Size of the windows whose maximum is taken before the steps of `after`."""
    after: int = 0
    """How many of the steps come before the pooling."""
    threshold: np.ndarray | None = None
    """What the result is compared with, by channel or by number, where the signs are stored."""


def absorb(program: "Program", value: Value, steps: list[Step], channels: int, *, residuals: bool = True) -> Absorbed:
    """Take the nodes after a layer that only they read, as far as they can be done to a single number; they count as
    written.

    `steps` are those of the layer itself, such as scale and bias, which do not fall for a sum that grows; `residuals`
    says whether other values may be added to its own.
    """
    result = Absorbed(value, list(steps), after=len(steps))
    while len(result.value.consumers) == 1 and not result.value.is_output:
        node = result.value.consumers[0]
        if node.operator == SIGN:
            threshold = node.attributes["threshold"]
            if len(threshold) not in (channels, result.value.columns):
                break
            result.threshold = threshold
        elif window := _disjoint_windows(node):
            if result.pool != (1, 1) or len(result.steps) > result.after:
                break
            result.pool = window
        else:
            found = step_of(program, node, result.value, channels)
            if found is None or (not residuals and any(step.residual is not None for step in found)):
                break
            result.steps += found
        program.done.add(id(node))
        result.value = node.outputs[0]
        if result.threshold is not None:
            break
    return result


def _disjoint_windows(node: Node) -> tuple[int, int] | None:
    """The kernel of a MaxPool whose windows neither overlap nor meet padding."""
    if node.operator != "MaxPool" or len(node.outputs) > 1:
        return None
    kernel = tuple(node.get("kernel_shape", ()))
    plain = len(kernel) == 2 and tuple(node.get("strides", (1, 1))) == kernel and not any(node.get("pads", [0]))
    plain = plain and node.get("ceil_mode", 0) == 0 and set(node.get("dilations", [1])) == {1}
    return (kernel[0], kernel[1]) if plain else None


def step_of(program: "Program", node: Node, value: Value, channels: int) -> list[Step] | None:
    """The steps that a node is, on `value`; None where it is more than that."""
    name = node.operator
    if name == "BatchNormalization" and len(node.outputs) == 1:
        gamma, beta, mean, variance = (node.array(i).astype(np.float32) for i in range(1, 5))
        scale = (gamma / np.sqrt(variance + np.float32(node.get("epsilon", 1e-5)))).astype(np.float32)
        return [Step("scale", [scale]), Step("shift", [(beta - mean * scale).astype(np.float32)])]
    if name in ("Relu", "Tanh", "Sigmoid"):
        return [Step(name.lower())]
    if name == "LeakyRelu":
        return [Step("prelu", [np.array([node.get("alpha", 0.01)], np.float32)])]
    if name == "PRelu":
        slope = node.array(1).astype(np.float32).ravel()
        return [Step("prelu", [slope])] if slope.size in (1, channels) else None
    if name == "Clip":
        bounds = [
            np.float32(default if node.given(i) is None else node.array(i))
            for i, default in ((1, -np.inf), (2, np.inf))
        ]
        return [Step("clip", [np.atleast_1d(bound) for bound in bounds])]
    if name in ("Add", "Mul", "Sub") and len(node.inputs) == 2:
        first = node.inputs[0] is value
        other = node.input(1 if first else 0)
        if other.constant is not None:
            content = other.constant.astype(np.float32)
            return _by_channel(name, content, value, channels) if first or name != "Sub" else None
        if name == "Add" and other.shape == value.shape and STEPS not in other.shape and program.is_known(other):
            return [Step("residual", residual=other)]
    return None


def _by_channel(name: str, content: np.ndarray, value: Value, channels: int) -> list[Step] | None:
    """An operand that is the same for all numbers of a channel."""
    axis = 1 if len(value.shape) == 4 else len(value.shape) - 1
    shape = (1,) * (len(value.shape) - content.ndim) + content.shape
    if content.size not in (1, channels) or any(size != 1 for i, size in enumerate(shape) if i != axis):
        return None
    return [Step({"Add": "shift", "Mul": "scale", "Sub": "subtract"}[name], [content.ravel()])]
