"""What the studies share: subjects, rows, ratios, the table, the time there is."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from benchmarks.contenders import Contender
from benchmarks.interleaved import Timing, measure, pinned
from benchmarks.kernels.roofline import WEIGHT_BITS, Roofline, arithmetics, measure_roofline
from benchmarks.layers import Layer
from edgenet.bench.machine import environment
from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.runtime import library

ISAS = ("scalar", "avx2-base", "avx2", "avx512-base", "avx512-words", "avx512-slices", "avx512")
_SECONDS, _QUICK_SECONDS = 4.0, 1.0
_QUICK_TOTAL_SECONDS = 200.0
NETWORK_WEIGHT = 4
# Exporting, quantising and loading one takes about as long.
_NETWORK_PREPARATION_SECONDS = 30.0
_PATIENCE = 3.0
Row = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """What several contenders do alike: an operator at a shape, or a network."""

    op: str
    shape: str
    layer: Layer | None = None
    """None for a network, which has no one limit."""

    @property
    def weight(self) -> int:
        """How much time it gets, an operator being 1: a run of a network may take a second."""
        return 1 if self.layer else NETWORK_WEIGHT


class Clock:
    """Deals out time: so much a subject, and with `--quick` never more than there is in all.

    `weight` is the sum of the weights of all subjects.
    """

    def __init__(self, weight: int, quick: bool, started: float | None = None) -> None:
        self._left = weight
        self._seconds = _QUICK_SECONDS if quick else _SECONDS
        self._end = (started or time.monotonic()) + _QUICK_TOTAL_SECONDS if quick else math.inf

    def deal(self, weight: int) -> tuple[float, float]:
        """Return the seconds that the next subject is to take and those it may take."""
        share = weight * self.remaining / max(self._left, weight)
        self._left -= weight
        limit = min(_PATIENCE * weight * self._seconds, share)
        return min(weight * self._seconds, limit), limit

    @property
    def remaining(self) -> float:
        """Seconds left in all."""
        return max(self._end - time.monotonic(), 0.0)


@dataclass
class Study:
    """Measures subject after subject and keeps the rows; prints each as a line of a Markdown table."""

    peers: Sequence[str]
    """Names of ratios that there may be, in the order of the table's columns."""
    clock: Clock
    cores: list[int]
    roofline: Roofline | None
    stamp: dict[str, object]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    disturbed: bool = False

    def left_out(self, note: str) -> None:
        """Note what was not measured, and why; once."""
        if note not in self.notes:
            self.notes.append(note)

    def out_of_time(self, subject: Subject) -> bool:
        """Whether `--quick` has no time left, which is noted."""
        if self.clock.remaining > (0 if subject.layer else _NETWORK_PREPARATION_SECONDS):
            return False
        self.left_out(f"{subject.op} {subject.shape}: no time left with --quick")
        return True

    def contender(self, what: str, make: Callable[[], Contender]) -> list[Contender]:
        """Return what `make` makes, or nothing and a note where it cannot be had."""
        try:
            return [make()]
        except EdgenetError as error:
            self.left_out(f"{what}: {error}")
            return []

    def add(self, subject: Subject, contenders: Sequence[Contender]) -> None:
        """Measure contenders in turns. Where one takes floats and another bits, each has the ratio to every peer."""
        if not any(contender.peer is None for contender in contenders):
            return
        calls = {number: contender.call for number, contender in enumerate(contenders)}
        timings = {
            number: timing.per_layer(contenders[number].layers)
            for number, timing in measure(calls, self.cores, *self.clock.deal(subject.weight)).items()
        }
        for number, contender in enumerate(contenders):
            row = self._row(subject, contender, timings[number])
            if contender.peer is None:
                peers = {other.peer: timings[i] for i, other in enumerate(contenders) if other.peer}
                row["ratios"] = {peer: timings[number].ratio_of(timing) for peer, timing in peers.items()}
                disturbed = any(timings[number].disturbed(timing) for timing in peers.values())
                self.disturbed = self.disturbed or disturbed
                click.echo(self._line(row, disturbed))
            self.rows.append(row)

    def _row(self, subject: Subject, contender: Contender, timing: Timing) -> Row:
        row: Row = {
            "op": subject.op,
            "shape": subject.shape,
            "scheme": contender.scheme,
            "from": contender.source,
            "to": contender.target,
            "isa": contender.isa,
            "implementation": contender.implementation,
            "median_us": timing.median_us,
            "ratios": {},
            "of_roofline": self._of_roofline(subject, contender, timing),
        }
        extras = {"activations": contender.activations, "ends": contender.ends}
        chain = {"chain": contender.layers} if contender.layers > 1 else {}
        return {**row, **{key: value for key, value in extras.items() if value}, **chain}

    def _of_roofline(self, subject: Subject, contender: Contender, timing: Timing) -> float | None:
        layer, bits = subject.layer, WEIGHT_BITS.get(contender.scheme)
        if self.roofline is None or layer is None or bits is None or contender.implementation == "edgenet-portable":
            return None
        kinds = arithmetics(subject.op, contender.scheme, contender.activations)
        values = 1 / 8 if contender.source == "bits" else 4
        moved, held = layer.bytes_moved(bits, values), layer.bytes_held(bits, values)
        limit = self.roofline.limit_us(layer.macs, moved, held, contender.isa, kinds)
        return None if limit is None else limit / timing.median_us

    def _line(self, row: Row, disturbed: bool) -> str:
        ways = "" if row["from"] == "float" else f", {row['from']} to {row['to']}"
        scheme = row["scheme"] + "".join(f", {key} {row[key]}" for key in ("activations", "ends") if key in row) + ways
        limit = "" if row["of_roofline"] is None else f"{row['of_roofline']:.2f}"
        ratios = [_ratio(row["ratios"].get(peer)) for peer in self.peers]
        cells = [
            row["op"], row["shape"], scheme, row["implementation"], row["isa"] or "",
            f"{row['median_us']:.1f}{' !' if disturbed else ''}", limit, *ratios,
        ]  # fmt: skip
        return "| " + " | ".join(cells) + " |"

    def head(self) -> None:
        """Print the environment and the table's head."""
        click.echo(", ".join(f"{key} {value}" for key, value in self.stamp.items() if value is not None) + "\n")
        columns = ["operator", "shape", "scheme", "implementation", "isa", "µs", "of limit"]
        columns += [f"over {peer}" for peer in self.peers]
        click.echo("| " + " | ".join(columns) + " |")
        click.echo("|" + " --- |" * 5 + " ---: |" * (len(columns) - 5))

    def foot(self) -> None:
        """Print what a reader of the table has to know."""
        click.echo(
            "\nover: the peer's time over ours, median of paired rounds (95 %); µs: median of one layer or network;"
        )
        click.echo("of limit: the least time that arithmetic and bandwidth allow over the time taken.")
        if self.roofline is None:
            click.echo("- no limits: there is no C++ compiler to build the program that measures them")
        if self.disturbed:
            click.echo("- !: most rounds were disturbed, so the ratio is that of all; run it on an idle machine")
        for note in self.notes:
            click.echo(f"- left out: {note}")

    def write(self, file: Path) -> None:
        """Write environment and rows as JSON."""
        write_whole(file, json.dumps({"environment": self.stamp, "rows": self.rows}, indent=2) + "\n")


def _ratio(ratio: dict[str, float] | None) -> str:
    return f"{ratio['median']:.2f}x ({ratio['low']:.2f}–{ratio['high']:.2f})" if ratio else ""


@contextmanager
def begin(peers: Sequence[str], weight: int, quick: bool, started: float) -> Iterator[Study]:
    """Pin this process, measure the limits, print the head, and print the foot at the end."""
    reason = library.why_portable()
    if reason:
        raise click.ClickException(reason)
    stamp = environment(1)
    with pinned() as cores:
        study = Study(peers, Clock(weight, quick, started), cores, measure_roofline(), stamp)
        study.head()
        yield study
        study.foot()


def write_plot(file: Path, draw: Callable[[], bytes]) -> None:
    """Write a plot as PNG, or say that matplotlib is missing."""
    if find_spec("matplotlib") is None:
        click.echo("- no plot: matplotlib is not installed (pip install '.[plot]' in a clone of edgenet)")
    else:
        write_whole(file, draw())


def chosen_isas(isa: str | None, widest_only: bool = False) -> list[str]:
    """Return the instruction sets to measure: the one asked for, else those faster than scalar that run here.

    Raises:
        click.ClickException: this machine does not run it.
    """
    runnable = library.isas()
    if isa and isa not in runnable:
        raise click.ClickException(f"this machine does not run {isa}; it runs {', '.join(runnable)}")
    if isa:
        return [isa]
    found = [name for name in runnable if name in ("avx2", "avx512")] or runnable
    return found[-1:] if widest_only else found
