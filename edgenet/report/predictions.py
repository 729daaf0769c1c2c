"""What an emulated device tells besides: agreement with this machine, and predicted cycles."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgenet.report import cells

EXPLANATION = (
    "as here: answers that are this machine's, on so many samples, of which accuracy is as well; instructions and "
    "cycles of the operators' code: predicted, kernel only, upper bound of the speed (operands in the first-level "
    "cache, branches foreseen); in brackets, how many times as many full takes."
)


def headings(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the columns."""
    return ("scheme", "path", "as here", "instructions", *rows[0]["predicted"]["cores"])


def lines(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the cells of rows that have predictions."""
    return [
        (
            row["scheme"] or cells.NOTHING,
            row["path"],
            _agreement(row["verified"]),
            cells.count(_instructions(row["predicted"]["cores"])),
            *map(_cycles, row["predicted"]["cores"].values()),
        )
        for row in rows
    ]


def _instructions(cores: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Of the first core; None where none was predicted."""
    return next((figures["instructions"] for figures in cores.values()), None)


def _agreement(verified: Mapping[str, Any]) -> str:
    if verified["agreement"] is None:
        return cells.NOTHING
    return f"{verified['agreement']:.1%} of {verified['samples']}"


def _cycles(figures: Mapping[str, Any]) -> str:
    over = figures.get("full_over_this")
    return cells.count(figures["cycles"]) + (f" ({cells.factor(over)})" if over else "")
