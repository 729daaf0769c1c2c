"""Two results side by side, with intervals that say whether a difference means anything."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgenet.bench.results import folder
from edgenet.bench.statistics import difference_interval, window_interval
from edgenet.tasks.measures import get_measure

_KEY = ("device", "model", "scheme", "path", "file")
_Z = 1.959964
# Machines differ by so much from one run to the next; a smaller difference of latencies means nothing.
_BETWEEN_RUNS = 0.05
_SAME_SIZE = 0.005
NOT_JUDGED = "not judged"
"""The verdict on a time where one of the two results is not valid."""
MICROCONTROLLER = tuple(f"microcontroller.{key}" for key in ("flash_bytes", "ram_bytes", "instructions"))
# What differs from one run to the next on the same machine.
_OF_THE_MOMENT = {
    "load", "connect_seconds", "launch_seconds", "sent_bytes", "temperature_c", "frequency_khz",
    "memory_available_bytes", "disk_free_bytes",
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One figure of two matching rows. `ratio` is second over first, `low` and `high` its 95 % interval if known; all
    three are None where the pair is not judged."""

    figure: str
    first: float | None
    second: float | None
    ratio: float | None
    low: float | None
    high: float | None
    verdict: str
    """`better`, `worse`, `same`, `unclear` where the interval includes no change, or none can be told, or `not judged`
    where it is a time and one of the two results is not valid."""
    metric: str = ""
    """Of an accuracy, as in `edgenet.tasks.measures`."""
    least_loss: float | None = None
    """Of an accuracy: how much the second is worse at least, the lower end of the 95 % interval; the loss itself where
    the metric is no share of samples, and the result does not tell how widely it may vary."""


@dataclass(frozen=True)
class RowComparison:
    """A row that both results have, or one of them only (then without changes)."""

    label: str
    only_in: str | None
    changes: list[Change]
    flags: dict[str, list[str]] = field(default_factory=dict)
    """Why a result is not valid, by `first` and `second`; of valid ones nothing."""

    def doubt(self, first: str, second: str) -> str | None:
        """Return which result was not valid and why, under the names of the two; None where all figures are judged."""
        if all(change.verdict != NOT_JUDGED for change in self.changes):
            return None
        names = {"first": first, "second": second}
        return " and ".join(f"{names[which]} is not valid ({'; '.join(why)})" for which, why in self.flags.items())


@dataclass(frozen=True)
class Comparison:
    """All rows of two results, and what differs in the environments they were measured in."""

    rows: list[RowComparison]
    environment: list[str]


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """Match the rows of two results by device, model, scheme, path and file, and compare their figures.

    Latencies of two results were not interleaved: their interval (Student's t of the logarithms of the windows'
    medians) knows nothing of what changed on the machine in between, so less than 5 % is unclear. Speedups over full
    precision, measured in pairs within each result, are the safer comparison. Times of a row that is not valid in one
    of the two are not judged; sizes, answers and what an emulator counts are, as nothing disturbs them.
    """
    left = {_key(row): row for row in first["rows"]}
    right = {_key(row): row for row in second["rows"]}
    rows = []
    for key in [*left, *(key for key in right if key not in left)]:
        row = left[key] if key in left else right[key]
        parts = (f"{folder(row)}:" if folder(row) else None, *key[1:4])
        label = " ".join(str(part) for part in parts if part is not None)
        if key in left and key in right:
            sides = {"first": left[key], "second": right[key]}
            flags = {name: list(side["flags"]) for name, side in sides.items() if not side["valid"]}
            rows.append(RowComparison(label, None, _changes(left[key], right[key]), flags))
        else:
            rows.append(RowComparison(label, "first" if key in left else "second", []))
    return Comparison(rows, _environment_changes(first["environments"], second["environments"]))


def _key(row: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(row[key] for key in _KEY)


def _changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Change]:
    times = [_latency(first["latency_ms"], second["latency_ms"]), _speedup(first["speedup"], second["speedup"])]
    if not (first["valid"] and second["valid"]):
        times = [change and _not_judged(change) for change in times]
    changes = [
        _exact("file_bytes", first["file_bytes"], second["file_bytes"]),
        _exact("rss_load_peak_bytes", first["rss_load_peak_bytes"], second["rss_load_peak_bytes"], tolerance=0.05),
        *(_of_a_part(figure, first, second) for figure in MICROCONTROLLER),
        *(_exact(figure, _at(first, figure), _at(second, figure)) for figure in _predicted(first)),
        *times,
        _accuracy(first["accuracy"], second["accuracy"]),
    ]
    return [change for change in changes if change is not None]


def _not_judged(change: Change) -> Change:
    return replace(change, ratio=None, low=None, high=None, verdict=NOT_JUDGED)


def _of_a_part(figure: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Change | None:
    """A figure of a microcontroller; a network that has become too large for the emulated one has none."""
    before, after = _at(first, figure), _at(second, figure)
    if before and after is None and not second["valid"]:
        return Change(figure, before, None, None, None, None, "worse")
    return _exact(figure, before, after)


def _predicted(row: Mapping[str, Any]) -> list[str]:
    """The figures of predicted cycles, one a core."""
    return [f"predicted.cores.{core}.cycles" for core in (row["predicted"] or {}).get("cores", {})]


def _at(row: Mapping[str, Any], figure: str) -> float | None:
    """The figure of a row that keys joined by dots name; None where there is none."""
    value: Any = row
    for key in figure.split("."):
        value = (value or {}).get(key)
    return value


def _exact(figure: str, first: float | None, second: float | None, tolerance: float = _SAME_SIZE) -> Change | None:
    if not first or not second:
        return None
    ratio = second / first
    verdict = "same" if abs(ratio - 1) <= tolerance else "better" if ratio < 1 else "worse"
    return Change(figure, first, second, ratio, None, None, verdict)


def _latency(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> Change | None:
    if not first or not second:
        return None
    spread = math.hypot(*(_relative_error(latency) for latency in (first, second)))
    ratio = second["p50"] / first["p50"]
    low, high = ratio * math.exp(-spread), ratio * math.exp(spread)
    verdict = "better" if high < 1 - _BETWEEN_RUNS else "worse" if low > 1 + _BETWEEN_RUNS else "unclear"
    return Change("latency_ms.p50", first["p50"], second["p50"], ratio, low, high, verdict)


def _relative_error(latency: Mapping[str, Any]) -> float:
    """Half the width of the 95 % interval of a latency, as a share of it."""
    windows = latency.get("windows") or []
    if len(windows) < 2:
        # Of an older result, or of a device without windows: as if runs did not resemble their neighbours.
        return _Z * float(latency["std"] / latency["mean"] / math.sqrt(latency["runs"]))
    middle, low, high = window_interval([[value] for value in windows])
    return (high - low) / 2 / middle


def _speedup(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> Change | None:
    if not first or not second:
        return None
    low, high = second["low"] / first["high"], second["high"] / first["low"]
    verdict = "better" if low > 1 else "worse" if high < 1 else "unclear"
    ratio = second["median"] / first["median"]
    return Change("speedup", first["median"], second["median"], ratio, low, high, verdict)


def _accuracy(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> Change | None:
    if not first or not second or first["metric"] != second["metric"]:
        return None
    before, after = first["value"], second["value"]
    measure = get_measure(first["metric"])
    least = most = measure.loss(before, after)
    if measure.share:
        least, most = difference_interval(before, first["samples"], after, second["samples"])
    if before == after:
        verdict = "same"
    elif not measure.share:
        verdict = "unclear"
    else:
        verdict = "better" if most < 0 else "worse" if least > 0 else "unclear"
    ratio = after / before if before else None
    return Change("accuracy", before, after, ratio, None, None, verdict, measure.name, least)


def _environment_changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    changes = []
    for device in first.keys() & second.keys():
        for key in (key for key in first[device] if key not in _OF_THE_MOMENT):
            before, after = first[device][key], second[device].get(key)
            if before != after:
                changes.append(f"{device}: {key} was {before}, is {after}")
    return changes
