"""Two results side by side."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from edgenet.bench.comparison import NOT_JUDGED, Change, Comparison
from edgenet.bench.devices.prediction import LABEL
from edgenet.report import cells
from edgenet.tasks.measures import get_measure

_FIGURES = {
    "file_bytes": "size",
    "rss_load_peak_bytes": "load memory",
    "latency_ms.p50": "latency",
    "speedup": "faster than full",
    "microcontroller.flash_bytes": "flash",
    "microcontroller.ram_bytes": "RAM",
    "microcontroller.instructions": "instructions",
}
_CORES = "predicted.cores."
_STYLES = {"better": "green", "worse": "red", "same": "dim", "unclear": "yellow", NOT_JUDGED: "yellow"}
_NOTE = (
    "Intervals are 95 %. Latencies of two results were not measured in turns: trust the speedups over full more. "
    "unclear: the interval includes no change."
)
_PREDICTED = f"Cycles are {LABEL} of the speed."


def comparison_table(comparison: Comparison, first: str, second: str) -> Group:
    """Return the comparison as a table; `first` and `second` name the two results."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("row")
    grid.add_column("figure", no_wrap=True)
    for name in (first, second):
        grid.add_column(name, justify="right", overflow="fold")
    grid.add_column("second / first", justify="right", min_width=9)
    grid.add_column("", no_wrap=True, min_width=7)
    for row in comparison.rows:
        if row.only_in:
            grid.add_row(row.label, f"only in {first if row.only_in == 'first' else second}", *[""] * 4, style="yellow")
        for number, change in enumerate(row.changes):
            label = row.label if number == 0 else ""
            values = (_written(change, value) for value in (change.first, change.second))
            verdict = Text(change.verdict, style=_STYLES[change.verdict])
            grid.add_row(label, _figure(change), *values, _ratio(change), verdict)
    doubts = [(row.label, doubt) for row in comparison.rows if (doubt := row.doubt(first, second))]
    other = [Text(f"{label}: times are not judged, {doubt}.", style="yellow") for label, doubt in doubts]
    other += [Text(f"Measured elsewhere: {line}.", style="yellow") for line in comparison.environment]
    predicted = any(change.figure.startswith(_CORES) for row in comparison.rows for change in row.changes)
    return Group(grid, *other, Text(f"{_NOTE} {_PREDICTED}" if predicted else _NOTE, style="dim"))


def _figure(change: Change) -> str:
    if change.metric:
        return get_measure(change.metric).words
    if change.figure.startswith(_CORES):
        return f"predicted cycles, {change.figure.split('.')[2]}"
    return _FIGURES[change.figure]


def _written(change: Change, value: float | None) -> str:
    if value is None:
        return cells.NOTHING
    if change.figure.endswith("bytes"):
        return cells.size(value)
    if change.metric:
        return get_measure(change.metric).write(value)
    if change.figure.endswith(("instructions", "cycles")):
        return cells.count(value)
    return cells.milliseconds(value) if change.figure.startswith("latency") else cells.factor(value)


def _ratio(change: Change) -> str:
    if change.ratio is None:
        return cells.NOTHING
    interval = f" {change.low:.2f}–{change.high:.2f}" if change.low is not None else ""
    return f"{change.ratio:.2f}{interval}"
