"""The result as tables for a terminal of 80 columns or more."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from edgenet.report import cells


def table(result: Mapping[str, Any]) -> Group:
    """Return a table a network, and below them what must be said beside the figures.

    Args:
        result: as `edgenet.bench.run` returns it.
    """
    parts: list[Table | Text] = []
    for rows in cells.networks(result):
        device = rows[0]["device"]
        stamp = f"{device}: {cells.environment_line(result['environments'][device])}"
        grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for name in cells.HEADINGS:
            # On a narrow terminal the interval moves below the speedup; nothing else may break.
            justify: JustifyMethod = "left" if name in ("scheme", "path") else "right"
            grid.add_column(name, justify=justify, no_wrap=name != "faster")
        for row in rows:
            grid.add_row(*cells.row(row), style=None if row["valid"] else "yellow")
        parts.extend([Text(cells.title(rows), style="bold"), Text(stamp, style="dim"), grid])
    parts.extend(Text(note, style="yellow" if note.startswith("!") else "") for note in cells.notes(result))
    parts.append(Text(cells.EXPLANATION, style="dim"))
    return Group(*parts)
