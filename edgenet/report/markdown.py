"""The result as a Markdown page."""

import shlex
from collections.abc import Mapping
from typing import Any

from edgenet.report import cells, predictions


def markdown(result: Mapping[str, Any], image: str | None = None) -> str:
    """Return a page with a table a network, the environments, and the notes.

    Args:
        result: as `edgenet.bench.run` returns it.
        image: file name of the plot, relative to where the page will lie.
    """
    lines = []
    for rows in cells.networks(result):
        devices = " and ".join(dict.fromkeys(row["device"] for row in rows))
        headings = cells.headings(rows)
        texts = headings.index("path") + 1
        lines += [f"## {cells.title(rows)}, {devices}", ""]
        lines += [_line(headings), _line([*["---"] * texts, *["---:"] * (len(headings) - texts)])]
        lines += [_line(row) for row in cells.lines(rows)]
        lines += [""]
        emulated = [row for row in rows if row["predicted"]]
        if emulated:
            columns = predictions.headings(emulated)
            lines += [_line(columns), _line(["---", "---", *["---:"] * (len(columns) - 2)])]
            lines += [*map(_line, predictions.lines(emulated)), ""]
    if image:
        lines += [f"![Accuracy against operations; the circles' areas are file sizes]({image})", ""]
    lines += [f"- {note}" for note in cells.notes(result)]
    lines += [f"- {text[0].upper()}{text[1:]}" for text in cells.explanations(result)]
    if any(row["predicted"] for row in result["rows"]):
        lines += [f"- {predictions.EXPLANATION[0].upper()}{predictions.EXPLANATION[1:]}"]
    for device, environment in result["environments"].items():
        told = {key: value for key, value in environment.items() if value is not None and key != "features"}
        stamp = ", ".join(f"{key} {value}" for key, value in told.items())
        lines += [f"- {device}: {stamp}"]
    command = f", by `{shlex.join(result['command'])}`" if result["command"] else ""
    seed = f", seed {result['seed']}" if result["seed"] is not None else ""
    lines += [f"- Measured {result['created']}{command}{seed}."]
    return "\n".join(lines) + "\n"


def _line(values: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(values)} |"
