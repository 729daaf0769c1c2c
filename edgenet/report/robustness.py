"""Accuracy under attack, as a table in the terminal and on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from edgenet.bench.results import folder
from edgenet.tasks.measures import get_measure

TITLE = "accuracy under attack"
NOTE = (
    "attacked: the network of the scheme's own checkpoint, by its own gradients (white box, fast gradient sign "
    "method), every pixel by so much of its range 0 to 1. The gradient of a binary network is an estimate, so a "
    "stronger attack may find more."
)


@dataclass(frozen=True)
class Attacked:
    """A line a scheme and folder: its name, the samples, and what is left of the accuracy at every strength."""

    headings: list[str]
    lines: list[list[str]]
    schemes: list[str]


def attacked(rows: Sequence[Mapping[str, Any]]) -> Attacked | None:
    """The table of the rows that were attacked; None where there are none."""
    found = {(folder(row), row["model"], row["scheme"]): row for row in rows if row.get("robustness")}
    if not found:
        return None
    strengths = [point["epsilon"] for point in next(iter(found.values()))["robustness"]["accuracies"]]
    lines = []
    for key, row in found.items():
        robustness = row["robustness"]
        measure = get_measure(robustness["metric"])
        values = [measure.write(point["value"]) for point in robustness["accuracies"]]
        lines.append([" ".join(filter(None, key)), f"{robustness['samples']:,}", *values])
    headings = ["attacked", "samples", *("unharmed" if e == 0 else f"{e * 255:g}/255" for e in strengths)]
    return Attacked(headings, lines, [row["scheme"] for row in found.values()])


def robustness_table(result: Mapping[str, Any]) -> Group | None:
    """The same for the terminal; None where nothing was attacked."""
    table = attacked(result["rows"])
    if table is None:
        return None
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for number, heading in enumerate(table.headings):
        grid.add_column(heading, justify="right" if number else "left")
    for line in table.lines:
        grid.add_row(*line)
    return Group(Text(TITLE, style="bold"), grid, Text(NOTE, style="dim"))
