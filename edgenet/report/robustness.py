"""Accuracy under attack as a table."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from edgenet.bench.results import folder
from edgenet.tasks.measures import get_measure

_NOTE = (
    "attacked: the network of the scheme's own checkpoint, by its own gradients (white box, fast gradient sign "
    "method), every pixel by so much of its range 0 to 1. The gradient of a binary network is an estimate, so a "
    "stronger attack may find more."
)


def robustness_table(result: Mapping[str, Any]) -> Group | None:
    """A table of the rows that were attacked, one a scheme and folder; None where there are none."""
    rows = {(folder(row), row["model"], row["scheme"]): row for row in result["rows"] if row.get("robustness")}
    if not rows:
        return None
    strengths = [point["epsilon"] for row in list(rows.values())[:1] for point in row["robustness"]["accuracies"]]
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("attacked")
    grid.add_column("samples", justify="right")
    for epsilon in strengths:
        grid.add_column("unharmed" if epsilon == 0 else f"{epsilon * 255:g}/255", justify="right")
    for (place, model, scheme), row in rows.items():
        found = row["robustness"]
        measure = get_measure(found["metric"])
        name = " ".join(part for part in (place, model, scheme) if part)
        values = [measure.write(point["value"]) for point in found["accuracies"]]
        grid.add_row(name, f"{found['samples']:,}", *values)
    return Group(Text("accuracy under attack", style="bold"), grid, Text(_NOTE, style="dim"))
