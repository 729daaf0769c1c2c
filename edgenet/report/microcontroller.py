"""The columns of rows that were measured on a microcontroller."""

from collections.abc import Mapping, Sequence
from typing import Any

HEADINGS = ("scheme", "path", "flash", "smaller", "RAM", "instructions", "fewer", "same class", "largest error")
EXPLANATION = (
    "flash: of the whole program, start-up included; RAM: static memory with inputs and outputs, and the stack; "
    "instructions: of one inference, emulated, which says nothing of time; smaller, fewer: than full; same class, "
    "largest error: beside the .onnx file in ONNX Runtime, every output compared."
)


def is_microcontroller(row: Mapping[str, Any]) -> bool:
    """Whether a row has these columns."""
    return bool(row["microcontroller"])


def headings(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return HEADINGS, after the device where the rows are of several."""
    return (*["device"] * _several(rows), *HEADINGS)


def lines(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the rows' cells, one for each of `headings`."""
    return [(*[each["device"]] * _several(rows), *row(each)) for each in rows]


def _several(rows: Sequence[Mapping[str, Any]]) -> bool:
    return len({each["device"] for each in rows}) > 1


def row(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a row's cells, one for each of HEADINGS."""
    from edgenet.report import cells

    found = result["microcontroller"]
    ratios = [(found[key] or {}).get("value") for key in ("flash_ratio", "instructions_ratio")]
    same, error = found["same_class"], found["max_abs_error"]
    return (
        (result["scheme"] or cells.NOTHING) + ("" if result["valid"] else " !"),
        result["path"] or cells.NOTHING,
        cells.size(found["flash_bytes"]),
        cells.factor(ratios[0]),
        cells.size(found["ram_bytes"]),
        cells.count(found["instructions"]),
        cells.factor(ratios[1]),
        cells.NOTHING if same is None else f"{same:.1%} of {found['samples']}",
        cells.NOTHING if error is None else f"{error:.2g}",
    )
