"""C text: constant arrays, indentation."""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_C_TYPES = {"float32": "float", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "uint32": "uint32_t"}
_WIDTH = 118


def identifier(name: str) -> str:
    """Return a C identifier after a name."""
    cleaned = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return cleaned if cleaned[:1].isalpha() else f"n{cleaned}"


def number(value: float) -> str:
    """Return a float32 as a C constant that is the same to the bit."""
    value = float(value)
    if np.isnan(value):
        return "NAN"
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = f"{value:.9g}"
    return (text if any(c in text for c in ".e") else f"{text}.0") + "f"


def constant_array(name: str, content: NDArray) -> str:
    """Return the definition of a constant array."""
    kind = _C_TYPES[str(content.dtype)]
    if content.dtype == np.float32:
        items = [number(value) for value in content.ravel()]
    elif content.dtype == np.uint32:
        items = [f"0x{value:X}u" for value in content.ravel()]
    else:
        items = [str(value) for value in content.ravel()]
    return f"static const {kind} {name}[{content.size}] = {{\n{_wrapped(items)}}};\n"


def _wrapped(items: Iterable[str]) -> str:
    lines, line = [], "    "
    for item in items:
        if len(line) + len(item) + 2 > _WIDTH:
            lines.append(line.rstrip())
            line = "    "
        line += f"{item}, "
    return "\n".join([*lines, line.rstrip().rstrip(",")])


def pack_words(signs: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Pack the last axis of signs into 32-bit words, least significant bit first; spare bits are 0."""
    *lead, count = signs.shape
    padded = np.zeros((*lead, -(-count // 32) * 32), bool)
    padded[..., :count] = signs
    return np.packbits(padded, axis=-1, bitorder="little").view("<u4").astype(np.uint32)


def unpack_rows(packed: NDArray, count: int) -> NDArray[np.bool_]:
    """The signs of packed rows of an `edgenet` operator (export/SPEC.md), [rows, count]."""
    return np.unpackbits(packed, axis=-1, bitorder="little")[..., :count].astype(bool)


def indent(text: str, spaces: int) -> str:
    """Indent every line that is not empty."""
    return "\n".join(f"{' ' * spaces}{line}" if line else line for line in text.splitlines())
