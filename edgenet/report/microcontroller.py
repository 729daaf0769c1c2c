"""The columns of rows that were measured on a microcontroller."""

from collections.abc import Mapping, Sequence
from typing import Any

HEADINGS = ("scheme", "path", "flash", "smaller", "RAM", "instructions", "fewer", "same class", "error")
_ACCURACY, _LOSS = "accuracy", "loss"
EXPLANATION = (
    "flash: of the whole program, start-up included; RAM: static memory with inputs and outputs, and the stack; "
    "instructions: of one inference, emulated, which says nothing of time; smaller, fewer: than full; same class, "
    "error (the largest): beside the .onnx file in ONNX Runtime, every output compared; accuracy: on as many samples, "
    "loss: what is lost of it against full on the same ones."
)


def is_microcontroller(row: Mapping[str, Any]) -> bool:
    """Whether a row has these columns."""
    return bool(row["microcontroller"])


def headings(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return HEADINGS, then accuracy where it was measured; after the device where the rows are of several, which
    leaves no room for the loss."""
    several = _several(rows)
    accuracy = [_ACCURACY, *[_LOSS] * (not several)] if any(row["accuracy"] for row in rows) else []
    return (*["device"] * several, *HEADINGS, *accuracy)


def lines(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the rows' cells, one for each of `headings`."""
    names = headings(rows)
    return [tuple({"device": each["device"], **row(each)}[name] for name in names) for each in rows]


def _several(rows: Sequence[Mapping[str, Any]]) -> bool:
    return len({each["device"] for each in rows}) > 1


def row(result: Mapping[str, Any]) -> dict[str, str]:
    """Return a row's cells by heading."""
    from edgenet.report import cells

    found = result["microcontroller"]
    ratios = [(found[key] or {}).get("value") for key in ("flash_ratio", "instructions_ratio")]
    same, error = found["same_class"], found["max_abs_error"]
    # Headings that both kinds of table have are written alike.
    alike = dict(zip(cells.HEADINGS, cells.row(result), strict=True))
    own = (
        alike["scheme"],
        alike["path"],
        cells.size(found["flash_bytes"]),
        cells.factor(ratios[0]),
        cells.size(found["ram_bytes"]),
        cells.count(found["instructions"]),
        cells.factor(ratios[1]),
        cells.NOTHING if same is None else f"{same:.1%} of {found['samples']}",
        cells.NOTHING if error is None else f"{error:.2g}",
    )
    return {**dict(zip(HEADINGS, own, strict=True)), _ACCURACY: alike[_ACCURACY], _LOSS: alike[_LOSS]}
