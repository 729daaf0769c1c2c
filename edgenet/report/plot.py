"""Accuracy against operations, circle area = file size."""

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgenet.bench.results import folder
from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.report import cells
from edgenet.tasks.measures import Measure, get_measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

_COLOURS = {"full": "#4c72b0", "bwn": "#dd8452", "xnor": "#55a868"}
_OTHER = "#8c8c8c"
# Points squared: the largest file's circle, and the least that can still be seen.
_LARGEST, _SMALLEST = 3000.0, 12.0
# Where a label may stand, in radii from its circle's centre: (x, y, horizontal and vertical alignment).
_PLACES = [
    (1, 0, "left", "center"), (-1, 0, "right", "center"), (0, 1, "center", "bottom"), (0, -1, "center", "top"),
    (0.7, 0.7, "left", "bottom"), (0.7, -0.7, "left", "top"), (-0.7, 0.7, "right", "bottom"),
    (-0.7, -0.7, "right", "top"),
]  # fmt: skip
# How far from the circle's edge, in points; the nearest place that is free is taken.
_DISTANCES = (4.0, 16.0, 30.0, 50.0, 80.0)


def plot(result: Mapping[str, Any], path: str | Path) -> None:
    """Write the figure that `draw` makes as a PNG.

    Raises:
        EdgenetError: matplotlib is missing, or no row has both accuracy and operations.
    """
    stream = io.BytesIO()
    draw(result).savefig(stream, format="png")
    write_whole(path, stream.getvalue())


def draw(result: Mapping[str, Any]) -> "Figure":
    """Draw accuracy against operations (multiply-adds + binary multiply-adds / 64, logarithmic); up is better.

    A file is one circle, however many paths it was measured on; the circle's area is the file's size. Rows of another
    metric than the first row's are left out.

    Raises:
        EdgenetError: matplotlib is missing, or no row has both accuracy and operations.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise EdgenetError("Plots need matplotlib; get it with pip install '.[plot]' in a clone of edgenet.") from error
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    rows = _files(result)
    if not rows:
        raise EdgenetError("There is nothing to plot: no row has an accuracy and a count of operations.")
    measure = get_measure(rows[0]["accuracy"]["metric"])
    rows = [row for row in rows if row["accuracy"]["metric"] == measure.name]
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        largest = max(row["file_bytes"] for row in rows)
        areas = [max(_LARGEST * row["file_bytes"] / largest, _SMALLEST) for row in rows]
        for row, area in zip(rows, areas, strict=True):
            axes.scatter(
                row["operations"], _height(row), s=area, alpha=0.75, linewidth=0.8,
                color=_COLOURS.get(row["scheme"], _OTHER), edgecolor="white",
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("operations = multiply-adds + binary multiply-adds / 64")
        axes.set_ylabel(measure.words + (", %" if measure.fraction else ""))
        axes.set_title("Accuracy against operations; a circle's area is its file's size", fontsize=11, loc="left")
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
        _widen(axes, measure)
        canvas.draw()
        _label(axes, rows, areas, several=len({row["model"] for row in rows}) > 1)
    return figure


def _height(row: Mapping[str, Any]) -> float:
    """Where a row's accuracy lies on the axis: fractions in percent, others as they are."""
    accuracy = row["accuracy"]
    return float(accuracy["value"]) * (100 if get_measure(accuracy["metric"]).fraction else 1)


def _files(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return one row a file, largest first, so that a small circle lies upon a large one."""
    files: dict[tuple[object, ...], Mapping[str, Any]] = {}
    for row in result["rows"]:
        if row["accuracy"] and row["operations"]:
            files.setdefault((row["device"], row["model"], row["file"]), row)
    return sorted(files.values(), key=lambda row: -row["file_bytes"])


def _widen(axes: "Axes", measure: Measure) -> None:
    low, high = axes.get_xlim()
    spread = max((high / low) ** 0.25, 1.6)
    axes.set_xlim(low / spread, high * spread)
    low, high = axes.get_ylim()
    margin = max(0.3 * (high - low), 0.5 if measure.fraction else 0.02)
    axes.set_ylim(low - margin, min(high + margin, 101.0) if measure.fraction else high + margin)
    if not measure.higher_is_better:
        axes.invert_yaxis()


def _label(axes: "Axes", rows: list[Mapping[str, Any]], areas: list[float], several: bool) -> None:
    """Write each circle's name where it covers neither a circle nor another name; small circles choose first.

    A name that has to stand away from its circle gets a line to it.
    """
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixels = axes.figure.dpi / 72
    circles = []
    for row, area in zip(rows, areas, strict=True):
        x, y = axes.transData.transform((row["operations"], _height(row)))
        circles.append((x, y, (area / math.pi) ** 0.5 * pixels))
    taken = [Bbox.from_extents(x - radius, y - radius, x + radius, y + radius) for x, y, radius in circles]
    for (x, y, radius), row in reversed(list(zip(circles, rows, strict=True))):
        place = f"{folder(row)}: " if folder(row) else ""
        name = place + (f"{row['model']} {row['scheme']}" if several else str(row["scheme"]))
        text = axes.annotate(
            f"{name}, {cells.size(row['file_bytes'])}", (x, y), (x, y), xycoords="figure pixels",
            textcoords="figure pixels", arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": "#555555"},
        )  # fmt: skip
        text.set_in_layout(False)
        best = None
        for distance in _DISTANCES:
            for across, up, horizontal, vertical in _PLACES:
                reach = radius + distance * pixels
                position = (x + across * reach, y + up * reach)
                text.set(horizontalalignment=horizontal, verticalalignment=vertical, position=position)
                box = Text.get_window_extent(text, renderer)
                covered = _covered(box, taken) + _outside(box, axes.bbox)
                if best is None or covered < best[0]:
                    best = (covered, distance, horizontal, vertical, position, box)
        assert best is not None
        _, distance, horizontal, vertical, position, box = best
        text.set(horizontalalignment=horizontal, verticalalignment=vertical, position=position)
        if text.arrow_patch is not None:
            text.arrow_patch.set_visible(distance > _DISTANCES[0])
        taken.append(box)


def _covered(box: "Bbox", others: "list[Bbox]") -> float:
    """Return the area, in square pixels, in which a box lies upon others."""
    total = 0.0
    for other in others:
        width = min(box.x1, other.x1) - max(box.x0, other.x0)
        height = min(box.y1, other.y1) - max(box.y0, other.y0)
        total += max(width, 0.0) * max(height, 0.0)
    return total


def _outside(box: "Bbox", frame: "Bbox") -> float:
    inside = max(min(box.x1, frame.x1) - max(box.x0, frame.x0), 0) * max(
        min(box.y1, frame.y1) - max(box.y0, frame.y0), 0
    )
    return float(box.width * box.height - inside)
