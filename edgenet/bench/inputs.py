"""What a network is fed while it is timed: held-out samples where there are some, else numbers of the right shape."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgenet.errors import EdgenetError

_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
IMAGE_SIZE = 224
SEQUENCE_LENGTH = 32


def parse_shapes(texts: Sequence[str]) -> dict[str, list[int]]:
    """Read `name:1,3,224,224` (or `1,3,224,224` for the first input, kept under the empty name).

    Raises:
        EdgenetError: a text is neither, or a size is below 1.
    """
    shapes = {}
    for text in texts:
        name, _, sizes = text.rpartition(":")
        try:
            shape = [int(size) for size in sizes.split(",")]
        except ValueError:
            shape = [0]
        if min(shape) < 1:
            raise EdgenetError(f"{text!r} is no input shape; write it as name:1,3,224,224, with sizes of 1 or more.")
        shapes[name] = shape
    return shapes


def resolve_shapes(
    inputs: Sequence[Any], given: Mapping[str, Sequence[int]], sample: Sequence[int] | None = None
) -> dict[str, list[int]]:
    """Settle every size of every graph input.

    Args:
        inputs: ONNX Runtime's description of the graph inputs (`.name`, `.shape`).
        given: shapes by input name, the empty name standing for the first input.
        sample: shape of one sample of the first input, without the batch, where the file tells it.

    Returns:
        Shapes by input name. A size that the file leaves open is 1 for the batch, 224 for an image's height and
        width, 3 for its channels, 32 for a sequence; sizes of the same symbolic name are the same.

    Raises:
        EdgenetError: a given name is no input, or its shape contradicts the file.
    """
    wanted = {name or inputs[0].name: list(shape) for name, shape in given.items()}
    if sample is not None:
        wanted.setdefault(inputs[0].name, [1, *sample])
    names = [value.name for value in inputs]
    for name in wanted:
        if name not in names:
            raise EdgenetError(f"The file has no input {name!r}; its inputs are {', '.join(names)}.")
    symbols: dict[str, int] = {}
    for value in inputs:
        _check_given(value, wanted.get(value.name), symbols)
    return {value.name: wanted.get(value.name) or _sizes(value.shape, symbols) for value in inputs}


def random_feeds(inputs: Sequence[Any], shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Return an array for every graph input: normal floats, ones for integers (a valid token anywhere), True.

    A recurrent network's input `state` starts at zero.

    Raises:
        EdgenetError: an input is of a type that cannot be made up, such as strings.
    """
    random = np.random.default_rng(0)
    feeds = {}
    for value in inputs:
        if value.type not in _TYPES:
            raise EdgenetError(
                f"Input {value.name!r} is a {value.type}, which edgenet cannot make up; bench needs tensors."
            )
        kind, shape = np.dtype(_TYPES[value.type]), tuple(shapes[value.name])
        if value.name == "state":
            feeds[value.name] = np.zeros(shape, kind)
        elif kind.kind == "f":
            feeds[value.name] = random.standard_normal(shape).astype(kind)
        else:
            feeds[value.name] = np.ones(shape, kind)
    return feeds


def _check_given(value: Any, shape: list[int] | None, symbols: dict[str, int]) -> None:
    if shape is None:
        return
    fits = len(shape) == len(value.shape) and all(
        not isinstance(size, int) or size == wanted for size, wanted in zip(value.shape, shape, strict=True)
    )
    if not fits:
        raise EdgenetError(f"Input {value.name!r} takes {describe(value.shape)}, not {describe(shape)}.")
    symbols.update((name, size) for name, size in zip(value.shape, shape, strict=True) if isinstance(name, str))


def describe(shape: Sequence[int | str | None]) -> str:
    """Return a shape as people write it, as in `[batch, 3, 224, 224]`."""
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _sizes(shape: Sequence[int | str | None], symbols: dict[str, int]) -> list[int]:
    sizes = []
    for axis, size in enumerate(shape):
        if isinstance(size, int):
            sizes.append(size)
        elif isinstance(size, str):
            sizes.append(symbols.setdefault(size, _default(axis, len(shape), size)))
        else:
            sizes.append(_default(axis, len(shape), ""))
    return sizes


def _default(axis: int, rank: int, name: str) -> int:
    if axis == 0 or "batch" in name.lower():
        return 1
    if rank == 4:
        return 3 if axis == 1 else IMAGE_SIZE
    return SEQUENCE_LENGTH
