"""Time a multiply-add against what grows: a PNG an axis, a panel a subject, a line an implementation."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
COLOURS = {"xnor": "#55a868", "bwn": "#dd8452", "bwn-int8": "#c44e52", "int8": "#8172b3", "full": "#4c72b0"}
_PANEL, _COLUMNS = (4.6, 4.0), 3


def plot(rows: Sequence[Row], axis: str) -> bytes:
    """Return the plot of one axis's rows as a PNG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    columns = min(len(subjects), _COLUMNS)
    lines = -(-len(subjects) // columns)
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * lines), dpi=120, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        for number, subject in enumerate(subjects):
            axes = figure.add_subplot(lines, columns, number + 1)
            own = [row for row in rows if row["subject"] == subject]
            for line in dict.fromkeys(map(label, own)):
                points = [(row["value"], row["ps_per_mac"]) for row in own if label(row) == line]
                axes.plot(*zip(*points, strict=True), marker="o", markersize=3, color=COLOURS[line], label=line)
            values = sorted({row["value"] for row in own})
            axes.set(xscale="log", yscale="log", xlabel=axis, title=subject)
            axes.set_xticks(values, [str(value) for value in values], rotation=90 if len(values) > 8 else 0)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.grid(color="#eeeeee")
        figure.axes[0].set_ylabel("picoseconds a multiply-add")
        figure.axes[0].legend(frameon=False)
        stream = io.BytesIO()
        canvas.print_png(stream)
    return stream.getvalue()


def label(row: Row) -> str:
    """Return the name of a row's line."""
    return f"{row['scheme']}-{row['activations']}" if "activations" in row else str(row["scheme"])
