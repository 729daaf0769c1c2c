"""The chart of accuracy against operations as shapes on a plane: where circles, names and marks of the axes stand."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgenet.bench.results import folder
from edgenet.report import cells
from edgenet.tasks.measures import Measure, get_measure

WIDTH, HEIGHT = 400.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 10.0, 40.0
FONT = 13.0
_LARGEST, _SMALLEST = 28.0, 3.0
_LETTER = 0.56 * FONT
# Where a name may stand, in radii from its circle's centre, and which of its ends is there.
_PLACES = [
    (1, 0, "start"), (-1, 0, "end"), (0, -1, "middle"), (0, 1, "middle"),
    (0.7, -0.7, "start"), (0.7, 0.7, "start"), (-0.7, -0.7, "end"), (-0.7, 0.7, "end"),
]  # fmt: skip
_DISTANCES = (5.0, 16.0, 30.0, 48.0, 70.0)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Bubble:
    """A file: a circle and its name."""

    x: float
    y: float
    radius: float
    scheme: str
    name: str
    told: str
    """What the circle says to who points at it, or hears the page."""
    text_x: float
    text_y: float
    anchor: str
    line: Box | None
    """From the circle to a name that stands away from it."""


@dataclass(frozen=True)
class Chart:
    """Circles, and the marks of both axes: where, and what is written there."""

    bubbles: list[Bubble]
    columns: list[tuple[float, str]]
    lines: list[tuple[float, str]]
    vertical: str
    """What the vertical axis shows."""


def files(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return one row a file with accuracy and operations, of the first one's metric, the largest file first."""
    found: dict[tuple[object, ...], Mapping[str, Any]] = {}
    for row in rows:
        if row["accuracy"] and row["operations"]:
            found.setdefault((row["model"], row["file"]), row)
    kept = [row for row in found.values() if row["accuracy"]["metric"] == _first_metric(found.values())]
    return sorted(kept, key=lambda row: -row["file_bytes"])


def chart(rows: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Lay out one circle a file: right is more operations (logarithmic), up is better, area is the file's size.

    None where no row has accuracy and operations.
    """
    shown = files(rows)
    if not shown:
        return None
    measure = get_measure(shown[0]["accuracy"]["metric"])
    x_low, x_high = _widened([math.log10(row["operations"]) for row in shown], 0.3)
    y_low, y_high = _widened([_height(row, measure) for row in shown], 0.5 if measure.fraction else 0.02)
    if measure.fraction and measure.higher_is_better:
        y_high = min(y_high, 101.0)

    def across(operations: float) -> float:
        return LEFT + (math.log10(operations) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        share = (value - y_low) / (y_high - y_low)
        share = share if measure.higher_is_better else 1 - share
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    largest = max(row["file_bytes"] for row in shown)
    circles = [
        (
            across(row["operations"]),
            up(_height(row, measure)),
            max(_LARGEST * math.sqrt(row["file_bytes"] / largest), _SMALLEST),
        )
        for row in shown
    ]
    columns = [(across(value), cells.count(value)) for value in decades(10**x_low, 10**x_high)]
    lines = [(up(value), text) for value, text in steps(y_low, y_high)]
    vertical = measure.words + (", %" if measure.fraction else "")
    return Chart(_named(shown, circles, measure), columns, lines, vertical)


def _first_metric(rows: Any) -> str:
    return str(next(iter(rows))["accuracy"]["metric"])


def _height(row: Mapping[str, Any], measure: Measure) -> float:
    return float(row["accuracy"]["value"]) * (100 if measure.fraction else 1)


def _widened(values: Sequence[float], least: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = max(0.3 * (high - low), least)
    return low - margin, high + margin


def decades(low: float, high: float) -> list[float]:
    """Round numbers between two, four or so of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        found = [factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high]
        if len(found) >= 3:
            break
    return found[:: math.ceil(len(found) / 6)]


def steps(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Round numbers between two, in equal steps, so many at most."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(low / step)
    return [(i * step, f"{i * step:.{digits}f}") for i in range(first, math.floor(high / step) + 1)]


def _named(
    rows: Sequence[Mapping[str, Any]], circles: Sequence[tuple[float, float, float]], measure: Measure
) -> list[Bubble]:
    """Give each circle a name where it covers neither a circle nor another name; small circles choose first."""
    several = len({row["model"] for row in rows}) > 1
    taken: list[Box] = [(x - r, y - r, x + r, y + r) for x, y, r in circles]
    bubbles: list[Bubble] = []
    for row, (x, y, radius) in reversed(list(zip(rows, circles, strict=True))):
        scheme = str(row["scheme"] or row["model"])
        name = f"{row['model']} {scheme}" if several and scheme != row["model"] else scheme
        name = f"{folder(row)}: {name}" if folder(row) else name
        best: tuple[float, float, float, str, float, Box] | None = None
        for distance in _DISTANCES:
            for right, down, anchor in _PLACES:
                at = (x + right * (radius + distance), y + down * (radius + distance) + 0.35 * FONT)
                area = box(at, anchor, name)
                covered = sum(overlap(area, other) for other in taken) + outside(area)
                if best is None or covered < best[0]:
                    best = (covered, *at, anchor, distance, area)
        assert best is not None
        _, text_x, text_y, anchor, distance, area = best
        taken.append(area)
        value = measure.write(row["accuracy"]["value"])
        told = f"{name}: {value}, {cells.count(row['operations'])} operations, {cells.size(row['file_bytes'])}"
        line = _line((x, y, radius), area) if distance > _DISTANCES[0] else None
        bubbles.append(Bubble(x, y, radius, _class(row["scheme"]), name, told, text_x, text_y, anchor, line))
    return bubbles[::-1]


def _class(scheme: object) -> str:
    return str(scheme) if scheme in ("full", "bwn", "xnor", "int8") else "other"


def box(at: tuple[float, float], anchor: str, name: str) -> Box:
    """The area that a name takes: left, top, right, bottom."""
    width = _LETTER * len(name)
    left = at[0] - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return left, at[1] - 0.8 * FONT, left + width, at[1] + 0.25 * FONT


def _line(circle: tuple[float, float, float], box: Box) -> Box:
    """From the edge of a circle to the nearest point of a box."""
    x, y, radius = circle
    to_x, to_y = min(max(x, box[0] - 2), box[2] + 2), min(max(y, box[1]), box[3])
    length = math.hypot(to_x - x, to_y - y) or 1.0
    return x + (to_x - x) * radius / length, y + (to_y - y) * radius / length, to_x, to_y


def overlap(box: Box, other: Box) -> float:
    """The area that two boxes share."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def outside(box: Box) -> float:
    """The area of a box beyond the frame of the axes."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return area - overlap(box, (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM))
