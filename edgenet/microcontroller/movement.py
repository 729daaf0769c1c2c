"""Operators that only move numbers, or only name them anew."""

from dataclasses import replace

import numpy as np

from edgenet.microcontroller.graph import STEPS, Node, Value, unsupported
from edgenet.microcontroller.program import Program
from edgenet.microcontroller.storage import Place


def same(program: Program, node: Node) -> None:
    """Reshape and its kin: the numbers stay where they are."""
    x, y = node.input(0), node.outputs[0]
    if x.rows != y.rows or x.columns != y.columns:
        raise unsupported(node, "it changes how many numbers there are")
    y.layout = x.layout
    program.alias(y, program.read(x))


def transpose(program: Program, node: Node) -> None:
    """Transpose where only axes of size 1 change places with others."""
    x = node.input(0)
    moved = [axis for axis in node.get("perm", list(reversed(range(len(x.shape))))) if x.shape[axis] != 1]
    if moved != sorted(moved):
        raise unsupported(node, "C can be written where only axes of size 1 change places")
    same(program, node)


def _part(program: Program, node: Node, x: Value, y: Value, axis: int, start: int) -> None:
    """y is what begins at `start` along an axis of x; -1 is the last of the steps."""
    axis %= len(x.shape)
    before = [size for size in x.shape[:axis] if size != 1]
    inner = int(np.prod([size for size in x.shape[axis + 1 :] if size != STEPS]))
    if not before:  # one piece of x
        if STEPS in x.shape[axis + 1 :]:
            raise unsupported(node, "it cuts an axis before that of the steps")
        if x.shape[axis] == STEPS and start == -1:
            offset = f"(steps - 1) * {inner}"
        else:
            start = start if start >= 0 else x.shape[axis] + start
            offset = str(start * inner) if start * inner else ""
        place = program.read(x)
        both = " + ".join(filter(None, (place.start, offset)))
        program.alias(y, Place(place.buffer, both))
        return
    if before != [STEPS]:
        raise unsupported(node, "C can be written for parts of a row only")
    start = start if start >= 0 else x.shape[axis] + start
    width, total = y.columns, x.columns
    _copy_rows(program, program.read(x), program.write(y), start * inner, total, 0, width, width)


def _copy_rows(
    program: Program, source: Place, target: Place, start: int, stride: int, to: int, to_stride: int, width: int
) -> None:
    program.kernel("copy_rows")
    numbers = [start, stride, to, to_stride, width]
    program.call("copy_rows", [source, target, *map(str, numbers), "steps"])


def gather(program: Program, node: Node) -> None:
    """Gather and GatherElements of one place along an axis."""
    index = np.unique(node.array(1))
    if index.size != 1:
        raise unsupported(node, "C can be written for one index only")
    _part(program, node, node.input(0), node.outputs[0], node.get("axis", 0), int(index[0]))


def split(program: Program, node: Node) -> None:
    """Split along an axis."""
    x, axis = node.input(0), node.get("axis", 0)
    start = 0
    for output in node.outputs:
        _part(program, node, x, output, axis, start)
        start += output.shape[axis]


def slice_(program: Program, node: Node) -> None:
    """Slice: a part along one axis, the steps turned round, or some pixels of an image."""
    x, y = node.input(0), node.outputs[0]
    starts = node.array(1).ravel().tolist()
    axes = list(range(len(starts))) if node.given(3) is None else node.array(3).ravel().tolist()
    strides = [1] * len(starts) if node.given(4) is None else node.array(4).ravel().tolist()
    if len(axes) == 1 and strides == [-1] and x.shape[axes[0]] == STEPS and x.shape == y.shape:
        reverse(program, node)
    elif x.shape == y.shape and set(strides) == {1}:
        same(program, node)
    elif len(axes) == 1 and strides == [1]:
        _part(program, node, x, y, axes[0], starts[0])
    elif len(x.shape) == 4 and {axis % 4 for axis in axes} <= {2, 3} and min(*starts, *strides) >= 0:
        taken = {axis % 4: (start, stride) for axis, start, stride in zip(axes, starts, strides, strict=True)}
        _pick_pixels(program, x, y, taken)
    else:
        raise unsupported(node, "C can be written for one axis and strides of 1, or for the pixels of an image")


def _pick_pixels(program: Program, x: Value, y: Value, taken: dict[int, tuple[int, int]]) -> None:
    """y is every so many rows and columns of the images x; `taken` has start and stride by axis."""
    (top, down), (left, right) = taken.get(2, (0, 1)), taken.get(3, (0, 1))
    width = x.shape[3]
    program.kernel("pick_pixels")
    numbers = [y.shape[1], y.shape[2], y.shape[3], x.shape[2] * width, down * width, right]
    source = program.read(x)
    place = replace(source, start=" + ".join(filter(None, (source.start, str(top * width + left)))))
    program.call("pick_pixels", [place, program.write(y), *map(str, numbers)])


def pad(program: Program, node: Node) -> None:
    """Pad of an image by channels of zeros."""
    x, y = node.input(0), node.outputs[0]
    pads = node.array(1).ravel().tolist()
    value = node.given(2)
    is_zero = value is None or (value.constant is not None and not np.any(value.constant))
    if node.get("mode", "constant") != "constant" or not is_zero or len(x.shape) != 4 or node.given(3) is not None:
        raise unsupported(node, "C can be written for zeros around an image only")
    if any(pads[axis] for axis in (0, 2, 3, 4, 6, 7)) or min(pads) < 0:
        raise unsupported(node, "C can be written for channels of zeros only")
    size = x.shape[2] * x.shape[3]
    source, target = program.read(x), program.write(y)
    program.call("memset", [target, "0", f"{y.columns} * sizeof(float)"])
    place = Place(target.buffer, str(pads[1] * size) if pads[1] else "")
    program.call("memcpy", [place, source, f"{x.columns} * sizeof(float)"])


def reverse(program: Program, node: Node) -> None:
    """The steps, the last one first."""
    x, y = node.input(0), node.outputs[0]
    program.kernel("reverse_rows")
    program.call("reverse_rows", [program.read(x), program.write(y), str(x.columns), "steps"])


def concat(program: Program, node: Node) -> None:
    """Concat along an axis."""
    y = node.outputs[0]
    axis = node.attributes["axis"] % len(y.shape)
    inputs = [node.input(i) for i in range(len(node.inputs))]
    before = [size for size in y.shape[:axis] if size != 1]
    sources = [program.read(x) for x in inputs]
    target = program.write(y)
    at = 0
    for x, source in zip(inputs, sources, strict=True):
        if not before and x.rows != STEPS:
            program.call(
                "memcpy", [Place(target.buffer, str(at) if at else ""), source, f"{x.columns} * sizeof(float)"]
            )
        elif before == [STEPS]:
            _copy_rows(program, source, target, 0, x.columns, at, y.columns, x.columns)
        else:
            raise unsupported(node, "C can be written where rows are joined, or values one behind the other")
        at += x.columns


def expand(program: Program, node: Node) -> None:
    """Expand to the shape that the value has already."""
    if node.input(0).columns != node.outputs[0].columns:
        raise unsupported(node, "it repeats numbers")
    same(program, node)


LOWERINGS = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast"), same),
    "Expand": expand,
    "Transpose": transpose,
    "Gather": gather,
    "GatherElements": gather,
    "Split": split,
    "Slice": slice_,
    "Pad": pad,
    "ReverseSequence": reverse,
    "Concat": concat,
}
