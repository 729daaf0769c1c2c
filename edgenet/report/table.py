"""The result as tables for a terminal of 80 columns or more."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from edgenet.report import cells, predictions

_INTERVAL = 9  # as 3.54–3.58


def table(result: Mapping[str, Any]) -> Group:
    """Return a table a network, and below them what must be said beside the figures.

    Args:
        result: as `edgenet.bench.run` returns it.
    """
    parts: list[Table | Text] = []
    for rows in cells.networks(result):
        devices = dict.fromkeys(row["device"] for row in rows)
        stamps = [f"{name}: {cells.environment_line(result['environments'][name])}" for name in devices]
        grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for name in cells.headings(rows):
            # On a narrow terminal the interval moves below the speedup, and a long name breaks; nothing else may.
            justify: JustifyMethod = "left" if name in ("device", "scheme", "path") else "right"
            grid.add_column(
                name, justify=justify, no_wrap=name not in ("device", "faster"), overflow="fold",
                min_width=_INTERVAL if name == "faster" else None,
            )  # fmt: skip
        for row, line in zip(rows, cells.lines(rows), strict=True):
            grid.add_row(*line, style=None if row["valid"] else "yellow")
        stamp = Text("\n".join(stamps), style="dim")
        parts.extend([Text(cells.title(rows), style="bold"), stamp, grid])
        emulated = [row for row in rows if row["predicted"]]
        if emulated:
            parts.append(_predictions(emulated))
    parts.extend(Text(note, style="yellow" if note.startswith("!") else "") for note in cells.notes(result))
    parts.extend(Text(text, style="dim") for text in cells.explanations(result))
    if any(row["predicted"] for row in result["rows"]):
        parts.append(Text(predictions.EXPLANATION, style="dim"))
    return Group(*parts)


def _predictions(rows: Sequence[Mapping[str, Any]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in predictions.headings(rows):
        grid.add_column(name, justify="left" if name in ("scheme", "path") else "right")
    for line in predictions.lines(rows):
        grid.add_row(*line)
    return grid
