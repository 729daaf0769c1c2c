"""What a network is fed while it is timed: held-out samples, the user's own arrays, else numbers of the right shape."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

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
    "tensor(uint64)": np.uint64,
    "tensor(uint32)": np.uint32,
    "tensor(uint16)": np.uint16,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
SEED = 0
"""Of the numbers that are made up."""
IMAGE_SIZE = 224
SEQUENCE_LENGTH = 32
# What those who export recurrent networks call what is carried from call to call.
_STATE = re.compile(r"(initial_?)?([hc][_n\d]*|hidden|cell)|(.*_)?states?\d*", re.IGNORECASE)


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


def read_feeds(file: str | Path, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
    """Read arrays for graph inputs from an .npz file, each under its input's name; a single one may have any name.

    Args:
        file: what `numpy.savez` wrote.
        inputs: ONNX Runtime's description of the graph inputs (`.name`, `.type`).

    Returns:
        Arrays by input name, of the types that the inputs take. Inputs that the file does not name are left out.

    Raises:
        EdgenetError: the file cannot be read, names an input that there is not, or holds values of another kind.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise EdgenetError(
            f"{file} cannot be read; --inputs takes what numpy.savez(FILE, input=array) wrote."
        ) from error
    if len(arrays) == len(inputs) == 1:
        arrays = dict(zip([inputs[0].name], arrays.values(), strict=True))
    types = {value.name: _TYPES.get(value.type) for value in inputs}
    for name, value in arrays.items():
        if name not in types:
            raise EdgenetError(f"{file} has an array {name!r}; the network's inputs are {', '.join(types)}.")
        wanted = types[name]
        if wanted is None or not np.can_cast(value.dtype, wanted, "same_kind"):
            kind = next(described.type for described in inputs if described.name == name)
            raise EdgenetError(f"{file} has {value.dtype} values for input {name!r}, which takes a {kind}.")
        arrays[name] = np.ascontiguousarray(value.astype(wanted)).reshape(value.shape)
    return arrays


def resolve_shapes(
    inputs: Sequence[Any], given: Mapping[str, Sequence[int]], sample: Sequence[int] | None = None
) -> dict[str, list[int]]:
    """Settle every size of every graph input.

    Args:
        inputs: ONNX Runtime's description of the graph inputs (`.name`, `.shape`).
        given: shapes by input name, the empty name standing for the first input.
        sample: shape of one sample of the first input, without the batch, where the file tells it.

    Returns:
        Shapes by input name. A size that the file leaves open is 1 for the batch and in a state, 224 for an image's
        height and width, 3 for its channels, 32 for a sequence; sizes of the same symbolic name are the same.

    Raises:
        EdgenetError: a given name is no input, or its shape contradicts the file.
    """
    wanted = {name or inputs[0].name: list(shape) for name, shape in given.items()} if inputs else {}
    if sample is not None and inputs:
        wanted.setdefault(inputs[0].name, [1, *sample])
    names = [value.name for value in inputs]
    for name in wanted:
        if name not in names:
            raise EdgenetError(f"The file has no input {name!r}; its inputs are {', '.join(names)}.")
    symbols: dict[str, int] = {}
    for value in inputs:
        _check_given(value, wanted.get(value.name), symbols)
    return {value.name: wanted.get(value.name, _sizes(value, symbols)) for value in inputs}


def random_feeds(inputs: Sequence[Any], shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Return an array for every graph input: normal floats, ones for integers (a valid token anywhere), True.

    What a recurrent network calls its state (`state`, `h`, `c0`, ...) starts at zero.

    Raises:
        EdgenetError: an input is of a type that cannot be made up, such as strings.
    """
    random = np.random.default_rng(SEED)
    feeds = {}
    for value in inputs:
        if value.type not in _TYPES:
            raise EdgenetError(
                f"Input {value.name!r} is a {value.type}, which edgenet cannot make up; bench needs tensors."
            )
        kind, shape = np.dtype(_TYPES[value.type]), tuple(shapes[value.name])
        if _STATE.fullmatch(value.name):
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
    symbols.update((name, size) for name, size in zip(value.shape, shape, strict=True) if _is_name(name))


def describe(shape: Sequence[int | str | None]) -> str:
    """Return a shape as people write it, as in `[batch, 3, 224, 224]`."""
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _is_name(size: int | str | None) -> TypeGuard[str]:
    """Whether an open size has a name that says which others are the same; some exporters write `?` for all."""
    return isinstance(size, str) and any(character.isalnum() for character in size)


def _sizes(value: Any, symbols: dict[str, int]) -> list[int]:
    sizes = []
    for axis, size in enumerate(value.shape):
        if isinstance(size, int):
            sizes.append(size)
        elif _is_name(size):
            sizes.append(symbols.setdefault(size, _default(value, axis, size)))
        else:
            sizes.append(_default(value, axis, ""))
    return sizes


def _default(value: Any, axis: int, name: str) -> int:
    if axis == 0 or "batch" in name.lower() or _STATE.fullmatch(value.name):
        return 1
    if len(value.shape) == 4:
        return 3 if axis == 1 else IMAGE_SIZE
    return SEQUENCE_LENGTH
