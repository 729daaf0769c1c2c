"""The roofline plot: speed against multiply-adds a byte, and what fraction of its limit each kernel reaches."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.kernels.roofline import WEIGHT_BITS, Roofline
from benchmarks.layers import Layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]
_COLOURS = {
    "full": "#4c72b0", "bwn": "#dd8452", "bwn, int8 activations": "#c44e52", "xnor": "#55a868",
    "xnor, bits to bits": "#1b7837", "int8": "#8172b3",
}  # fmt: skip
_MARKERS: dict[str | None, str] = {
    "scalar": "s",
    **dict.fromkeys(("avx2-base", "avx2"), "v"),
    **dict.fromkeys(("avx512-base", "avx512-words", "avx512-slices", "avx512"), "o"),
    None: "x",
}
_LEVELS = ((1 << 18, "L2"), (1 << 24, "last-level cache"), (1 << 28, "memory"))


def plot(rows: Sequence[Row], layers: Sequence[Layer], roofline: Roofline | None) -> bytes:
    """Return the plot of the rows that have a limit as a PNG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    by_name = {(layer.op, layer.shape): layer for layer in layers}
    shown = [row for row in rows if row["of_roofline"] is not None]
    names = list(dict.fromkeys((row["op"], row["shape"]) for row in shown))
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(14, max(6.5, 1.5 + 0.22 * len(names))), dpi=120, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        work, limits = figure.subplots(1, 2)
        if roofline is not None and shown:
            _draw_work(work, shown, by_name, roofline)
            _draw_fractions(limits, shown, names)
        stream = io.BytesIO()
        canvas.print_png(stream)
    return stream.getvalue()


def _draw_work(axes: "Axes", rows: Sequence[Row], layers: Mapping[Any, Layer], roofline: Roofline) -> None:
    points = [(*_point(row, layers[row["op"], row["shape"]]), row) for row in rows]
    left, right = min(point[0] for point in points) / 2, max(point[0] for point in points) * 2
    top = max(roofline.peaks.values())
    for size, name in _LEVELS:
        speed = roofline.bandwidth(size)
        axes.plot([left, top / speed], [left * speed, top], color="#bbbbbb", linewidth=1, zorder=0)
        axes.annotate(f"{name}, {speed:.0f} GB/s", (left, left * speed), rotation=38, color="#777777", fontsize=7)
    for peak, names in _ceilings(roofline):
        axes.axhline(peak, color="#999999", linewidth=0.8, zorder=0)
        axes.annotate(", ".join(names), (right, peak), ha="right", va="bottom", color="#777777", fontsize=7)
    for x, y, row in points:
        axes.scatter(x, y, color=_COLOURS[_label(row)], marker=_MARKERS[row["isa"]], s=26, linewidths=1)
    axes.set(xscale="log", yscale="log", xlim=(left, right))
    axes.set_xlabel("multiply-adds a byte moved")
    axes.set_ylabel("multiply-adds a nanosecond")
    axes.set_title("Work done, under the measured limits", loc="left")


def _ceilings(roofline: Roofline) -> list[tuple[float, list[str]]]:
    """Peaks, those that would lie on one another as one."""
    ceilings: list[tuple[float, list[str]]] = []
    for (isa, arithmetic), peak in sorted(roofline.peaks.items(), key=lambda entry: -entry[1]):
        if ceilings and ceilings[-1][0] < 1.25 * peak:
            ceilings[-1][1].append(f"{arithmetic} {isa}")
        else:
            ceilings.append((peak, [f"{arithmetic} {isa}"]))
    return ceilings


def _draw_fractions(axes: "Axes", rows: Sequence[Row], names: Sequence[tuple[str, str]]) -> None:
    for row in rows:
        position = names.index((row["op"], row["shape"]))
        colour, marker = _COLOURS[_label(row)], _MARKERS[row["isa"]]
        axes.scatter(row["of_roofline"], position, color=colour, marker=marker, s=30, linewidths=1)
    axes.axvline(1, color="#999999", linewidth=1, zorder=0)
    axes.set_yticks(range(len(names)), [f"{op} {shape}" for op, shape in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1.05 * max(1.0, *(row["of_roofline"] for row in rows)))
    axes.grid(axis="y", color="#eeeeee", zorder=0)
    axes.set_axisbelow(True)
    axes.set_xlabel("of the limit of its arithmetic or of bandwidth")
    axes.set_title("How near the limit", loc="left")
    _legend(axes, rows)


def _legend(axes: "Axes", rows: Sequence[Row]) -> None:
    labels = dict.fromkeys(map(_label, rows))
    for label in labels:
        axes.scatter([], [], color=_COLOURS[label], marker="s", label=label)
    for isa in dict.fromkeys(row["isa"] for row in rows):
        axes.scatter([], [], color="#444444", marker=_MARKERS[isa], label=isa or "ONNX Runtime")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=4, frameon=False, fontsize=8)


def _label(row: Row) -> str:
    if row["from"] == "bits":
        return f"{row['scheme']}, bits to bits"
    return f"{row['scheme']}, {row['activations']} activations" if "activations" in row else str(row["scheme"])


def _point(row: Row, layer: Layer) -> tuple[float, float]:
    moved = layer.bytes_moved(WEIGHT_BITS[row["scheme"]], 1 / 8 if row["from"] == "bits" else 4)
    return layer.macs / moved, layer.macs / row["median_us"] / 1e3
