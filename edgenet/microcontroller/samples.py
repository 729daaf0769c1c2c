"""Held-out samples one by one, as a program takes them, and how its answers compare with the .onnx file's."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenet.microcontroller.graph import STEPS, Graph, Value
from edgenet.runtime.session import InferenceSession

Feeds = dict[str, NDArray]
"""By input: float32 numbers, or int64 tokens."""
Run = Callable[[int], Sequence[NDArray]]
"""Gives the outputs of the sample of a number."""


def longest(file: Path) -> int | None:
    """The most steps of any sample in a `samples.npz`; None where all are of one length or there is no file."""
    from edgenet.tasks.held_out import HeldOut

    lengths = HeldOut.load(file).lengths if file.is_file() else None
    return None if lengths is None else int(lengths.max())


def held_out_samples(graph: Graph, file: Path, count: int) -> list[Feeds]:
    """The first samples of a `samples.npz`, without padding; a state begins with zeros. None without a file."""
    from edgenet.tasks.held_out import HeldOut

    if not file.is_file():
        return []
    held_out = HeldOut.load(file)
    first, *others = graph.inputs
    found = []
    for index in range(min(count, len(held_out))):
        part = held_out.part(slice(index, index + 1))
        x = part.inputs.astype(np.float32 if first.vocabulary is None else np.int64)
        if part.lengths is not None and STEPS in first.shape:
            x = x[:, : int(part.lengths[0])]
        found.append({first.name: x, **{value.name: np.zeros(value.shape, np.float32) for value in others}})
    return found


def random_samples(graph: Graph, steps: int, count: int) -> list[Feeds]:
    """Standard normal numbers, or any tokens, the same every time."""
    generator = np.random.default_rng(0)

    def numbers(value: Value) -> NDArray:
        shape = [steps if size == STEPS else size for size in value.shape]
        if value.vocabulary is not None:
            return generator.integers(value.vocabulary, size=shape)
        return generator.standard_normal(shape).astype(np.float32)

    return [{value.name: numbers(value) for value in graph.inputs} for _ in range(count)]


def as_c(array: NDArray, value: Value) -> NDArray:
    """What is fed to an input as the C takes it: float32, or int32 tokens."""
    return np.ascontiguousarray(array, "<f4" if value.vocabulary is None else "<i4")


def steps_of(graph: Graph, sample: Feeds) -> int:
    """The sample's steps; 0 for a network without."""
    return next((sample[v.name].shape[v.shape.index(STEPS)] for v in graph.inputs if STEPS in v.shape), 0)


def pack_samples(graph: Graph, samples: Sequence[Feeds]) -> bytes:
    """Samples one behind the other, each its steps as int32 and the numbers of its inputs."""
    return b"".join(
        np.int32(steps_of(graph, sample)).tobytes()
        + b"".join(as_c(sample[value.name], value).tobytes() for value in graph.inputs)
        for sample in samples
    )


def unpack_outputs(graph: Graph, samples: Sequence[Feeds], numbers: NDArray[np.float32]) -> list[list[NDArray]]:
    """The outputs of every sample, whose numbers lie one behind the other."""
    parts, at = [], 0
    for sample in samples:
        steps = steps_of(graph, sample)
        shapes = [[steps if size == STEPS else size for size in value.shape] for value in graph.outputs]
        ends = np.cumsum([at, *(math.prod(shape) for shape in shapes)])
        parts.append([numbers[a:b].reshape(s) for a, b, s in zip(ends, ends[1:], shapes, strict=False)])
        at = int(ends[-1])
    return parts


@dataclass(frozen=True)
class Comparison:
    """How a program's outputs compare with those of the .onnx file in ONNX Runtime."""

    samples: int
    outputs: int
    """Numbers that were compared."""
    equal: int
    """Of them, those that are equal to the bit."""
    max_abs_error: float
    same_class: float
    """Share of the samples whose first output has its largest number at the same place."""


def compare(session: InferenceSession, graph: Graph, samples: Sequence[Feeds], run: Run) -> Comparison:
    """Compare what `run` gives for the sample of a number with what the session gives."""
    names = [value.name for value in graph.outputs]
    total, equal, same, worst = 0, 0, 0, 0.0
    for number, feeds in enumerate(samples):
        pairs = list(zip(session.run(feeds, names), run(number), strict=True))
        for expected, found in pairs:
            difference = np.abs(found.astype(np.float64) - expected)
            # A NaN is as wrong as can be.
            worst = max(worst, float(np.nan_to_num(difference, nan=np.inf).max()))
            total += expected.size
            equal += int((found == expected).sum())
        expected, found = pairs[0]
        same += int(expected.argmax() == found.argmax())
    return Comparison(len(samples), total, equal, worst, same / max(len(samples), 1))
