"""What is done to a sum before it is stored: scale and bias, normalisation, activations, residual, the next threshold.

The same steps are C text and numpy, so that sums that are integers of a small range meet their threshold as integers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenet.microcontroller.text import number

Array = NDArray[np.float32]


@dataclass
class Step:
    """One step on v; `arrays` are by channel, or single numbers."""

    kind: str
    arrays: list[Array] = field(default_factory=list)
    residual: Any = None

    def apply(self, v: Array) -> Array:
        """v is [channels, ...]."""
        arrays = [a.reshape(-1, *[1] * (v.ndim - 1)) for a in self.arrays]
        with np.errstate(invalid="ignore", over="ignore"):
            return _NUMPY[self.kind](v, *arrays).astype(np.float32)


_NUMPY: dict[str, Callable[..., NDArray]] = {
    "scale": lambda v, a: v * a,
    "shift": lambda v, a: v + a,
    "subtract": lambda v, a: v - a,
    "relu": lambda v: np.where(v < 0, np.float32(0), v),
    "prelu": lambda v, a: np.where(v >= 0, v, a * v),
    "clip": lambda v, low, high: np.minimum(np.maximum(v, low), high),
}
_C = {
    "scale": "v *= {0};",
    "shift": "v += {0};",
    "subtract": "v -= {0};",
    "relu": "if (v < 0.0f) v = 0.0f;",
    "prelu": "if (!(v >= 0.0f)) v *= {0};",
    "clip": "if (v < {0}) v = {0};\nif (v > {1}) v = {1};",
    "tanh": "v = tanhf(v);",
    "sigmoid": "v = 1.0f / (1.0f + expf(-v));",
    "residual": "v += residual[{index}];",
}
MATHEMATICAL = ("tanh", "sigmoid")


def lines(steps: list[Step], names: Any, channel: str, index: str) -> str:
    """C statements that take v through the steps.

    Args:
        names: a function that stores an array as a constant and returns its name.
        channel, index: C expressions of the channel and of the place in the output.
    """
    text = []
    for step in steps:
        parts = []
        for array in step.arrays:
            same = array.size == 1 or np.all(array == array.flat[0])
            parts.append(number(float(array.flat[0])) if same else f"{names(array)}[{channel}]")
        if step.kind == "shift" and parts == ["0.0f"]:
            continue  # -0.0 and 0.0 meet the same thresholds
        text.append(_C[step.kind].format(*parts, index=index))
    return "\n".join(text)


def is_plain(steps: list[Step]) -> bool:
    """Whether numpy gives what C gives, to the bit, and no other value of the network is read."""
    return all(step.kind in _NUMPY for step in steps)


def integer_limits(steps: list[Step], threshold: Array, largest: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The least sum of `largest` products of signs that meets its threshold after the steps; threshold [channels, ...].

    Returns these sums, largest + 1 where none does, and whether the test is to be turned round: the bit is
    `(sum >= limit) != turned`.

    Raises:
        ValueError: the steps are not monotone.
    """
    channels = len(threshold)
    # With padding, of fewer signs, the sum can be any integer between.
    sums = np.arange(-largest, largest + 1, dtype=np.float32)[None, :].repeat(channels, 0)
    for step in steps:
        sums = step.apply(sums)
    bits = sums.reshape(channels, *[1] * (threshold.ndim - 1), -1) >= threshold[..., None]
    if ((bits[..., 1:] != bits[..., :-1]).sum(-1) > 1).any():
        raise ValueError("not monotone")
    turned = bits[..., 0] & ~bits[..., -1]
    met = bits != turned[..., None]
    first = np.where(met.any(-1), met.argmax(-1), 2 * largest + 1) - largest
    return first.astype(np.int32), turned
