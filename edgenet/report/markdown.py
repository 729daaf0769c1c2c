"""The result as a Markdown page."""

import shlex
from collections.abc import Mapping
from typing import Any

from edgenet.report import cells


def markdown(result: Mapping[str, Any], image: str | None = None) -> str:
    """Return a page with a table a network, the environments, and the notes.

    Args:
        result: as `edgenet.bench.run` returns it.
        image: file name of the plot, relative to where the page will lie.
    """
    lines = []
    for rows in cells.networks(result):
        lines += [f"## {cells.title(rows)}, {rows[0]['device']}", ""]
        lines += [_line(cells.HEADINGS), _line(["---", "---", *["---:"] * (len(cells.HEADINGS) - 2)])]
        lines += [_line(cells.row(row)) for row in rows]
        lines += [""]
    if image:
        lines += [f"![Accuracy against operations; the circles' areas are file sizes]({image})", ""]
    lines += [f"- {note}" for note in cells.notes(result)]
    lines += [f"- {cells.EXPLANATION[0].upper()}{cells.EXPLANATION[1:]}"]
    for device, environment in result["environments"].items():
        stamp = ", ".join(f"{key} {value}" for key, value in environment.items() if value is not None)
        lines += [f"- {device}: {stamp}"]
    command = f", by `{shlex.join(result['command'])}`" if result["command"] else ""
    seed = f", seed {result['seed']}" if result["seed"] is not None else ""
    lines += [f"- Measured {result['created']}{command}{seed}."]
    return "\n".join(lines) + "\n"


def _line(values: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(values)} |"
