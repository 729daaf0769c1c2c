"""The sum of a layer at one place, for every output: C text by precision."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgenet.microcontroller.epilogue import Step, integer_limits, is_plain, lines
from edgenet.microcontroller.text import indent, pack_words

if TYPE_CHECKING:
    from edgenet.microcontroller.absorption import Absorbed
    from edgenet.microcontroller.program import Program


@dataclass
class Sums:
    """How a layer multiplies. `before` is done once a place, `value` is the sum of output o."""

    value: str
    before: str = ""
    integer: int = 0
    """How many signs a sum has, where it has no other terms."""
    as_float: str = "{0}"
    """C that makes a number of `value`."""


def float_sums(program: "Program", weight: NDArray[np.float32], hint: str, x: str = "x") -> Sums:
    """weight [O, K]."""
    program.kernel("dot")
    name = program.constant(weight, f"{hint}_weight")
    return Sums(f"dot({name} + o * {weight.shape[1]}, {x}, {weight.shape[1]})")


def binary_weight_sums(program: "Program", signs: NDArray[np.bool_], hint: str, x: str = "x", groups: int = 1) -> Sums:
    """signs [O, K]; the sums lie in `sums`. Of several groups of outputs those of `group` are made at a time."""
    program.kernel("signed_sums")
    words, outputs = pack_words(signs), len(signs) // groups
    rows, sums = program.constant(words, f"{hint}_weight"), "sums"
    if groups > 1:
        rows, sums = f"{rows} + group * {outputs * words.shape[1]}", f"sums + group * {outputs}"
    return Sums("sums[o]", f"signed_sums({x}, {rows}, {sums}, {signs.shape[1]}, {outputs});")


def xnor_sums(program: "Program", words: NDArray[np.uint32], count: int, hint: str, x: str = "x") -> Sums:
    """words [O, W] of `count` signs each."""
    program.kernel("mismatches")
    name, width = program.constant(words, f"{hint}_weight"), words.shape[1]
    call = f"{count} - 2 * mismatches({x}, {name} + o * {width}, {width})"
    return Sums(call, integer=count, as_float="(float)({0})")


def not_negative(scale: NDArray[np.float32], signs: NDArray) -> tuple[NDArray[np.float32], NDArray]:
    """The same products with scales of no sign, so that a larger sum is never a smaller product; signs [O, ...] are
    bits or integers."""
    negative = scale < 0
    turned = ~signs if signs.dtype == bool else -signs
    flipped = np.where(negative.reshape(-1, *[1] * (signs.ndim - 1)), turned, signs)
    return np.abs(scale).astype(np.float32), flipped.astype(signs.dtype)


def scale_and_bias(scale: NDArray, bias: NDArray) -> list[Step]:
    return [Step("scale", [scale.astype(np.float32)]), Step("shift", [bias.astype(np.float32)])]


def limit_test(
    program: "Program", absorbed: "Absorbed", largest: int, outputs: int, hint: str, pixel: str = ""
) -> tuple[str, str] | None:
    """Where all that is made of a sum of signs is a bit: the C test of `sum`, and the words of the bits that are to be
    turned round, for `pixel` (empty where there is one): a constant, or empty for none.

    None where it takes a float.
    """
    if absorbed.threshold is None or not is_plain(absorbed.steps):
        return None
    threshold = absorbed.threshold.astype(np.float32).reshape(outputs, -1)
    try:
        limits, turned = integer_limits(absorbed.steps, threshold, largest)
    except ValueError:
        return None
    kind = np.int16 if largest < 32767 else np.int32
    name = program.constant(np.ascontiguousarray(limits.T.astype(kind)), f"{hint}_limit")
    by_pixel = threshold.shape[1] > 1
    words = pack_words(np.ascontiguousarray(turned.T))
    round_ = program.constant(words, f"{hint}_turned") if turned.any() else ""
    if by_pixel and round_:
        round_ = f"({round_} + ({pixel}) * {words.shape[1]})"
    index = f"({pixel}) * {outputs} + o" if by_pixel else "o"
    return f"sum >= {name}[{index}]", round_


def finish(program: "Program", steps: list[Step], hint: str, index: str, channel: str = "o") -> str:
    """C that takes v through the steps."""
    return lines(steps, lambda array: program.constant(array.ravel(), f"{hint}_by_output"), channel, index)


def loop(count: int | str, body: str, variable: str = "o") -> str:
    """A C loop over 0 to count - 1."""
    return f"for (int {variable} = 0; {variable} < {count}; {variable}++) {{\n{indent(body, 2)}\n}}"


def threshold_test(program: "Program", absorbed: "Absorbed", outputs: int, hint: str, pixel: str, o: str = "o") -> str:
    """The C test of v where the signs are stored, thresholds by output, or by output and pixel."""
    assert absorbed.threshold is not None
    threshold = absorbed.threshold.astype(np.float32).reshape(outputs, -1)
    name = program.constant(np.ascontiguousarray(threshold.T), f"{hint}_threshold")
    index = f"({pixel}) * {outputs} + {o}" if threshold.shape[1] > 1 else o
    return f"v >= {name}[{index}]"
