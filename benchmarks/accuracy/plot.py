"""Training curves of one network and data set: loss by epoch, a line a scheme and seed, and what the files reach."""

import io
from collections.abc import Sequence
from typing import Any

from edgenet.tasks.measures import get_measure

Row = dict[str, Any]
_COLOURS = {"full": "#4c72b0", "bwn": "#dd8452", "xnor": "#55a868"}


def plot(rows: Sequence[Row]) -> bytes:
    """Return the plot as a PNG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    measure = get_measure(rows[0]["metric"])
    factor = 100 if measure.fraction else 1
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        curves, values = figure.subplots(1, 2, width_ratios=(2, 1))
        for scheme in dict.fromkeys(row["scheme"] for row in rows):
            own = [row for row in rows if row["scheme"] == scheme]
            for number, row in enumerate(own):
                points = [(point["epoch"], point["loss"]) for point in row["curve"]]
                if points:
                    label = scheme if number == 0 else None
                    curves.plot(*zip(*points, strict=True), color=_COLOURS[scheme], linewidth=1, label=label)
            values.scatter(
                [scheme] * len(own), [factor * row["value"] for row in own], color=_COLOURS[scheme], alpha=0.8, zorder=2
            )
        curves.set(
            xlabel="epoch",
            ylabel="training loss (binary: with the teacher's)",
            yscale="log",
            title=f"{rows[0]['model']}, {rows[0]['data']}",
        )
        if curves.lines:
            curves.legend(frameon=False)
        unit = ", %" if measure.fraction else ""
        values.set(ylabel=f"{measure.words} of the exported file{unit}", title="a point a seed")
        values.margins(x=0.3, y=0.3)
        values.grid(axis="y", linewidth=0.3)
        stream = io.BytesIO()
        canvas.print_png(stream)
        return stream.getvalue()
