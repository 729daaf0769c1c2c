"""Interleaved timing: in every round each model runs one block, so that drift of the machine hits all alike.

Rounds come in windows, five or more, each of which may have processes of its own.
"""

import math
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from edgenet.bench.devices.base import Progress
from edgenet.bench.devices.worker_process import WorkerProcess
from edgenet.bench.statistics import window_interval

WINDOWS = 5
MAX_WINDOWS = 15
MIN_ROUNDS = 10
WIDE = 0.05
"""Half the width of an interval, as a share of the speedup or latency, beyond which a row is not valid."""
# Windows are added while an interval is wider than this; a little less than WIDE.
_NARROW = 0.045
_BLOCK_SECONDS = 0.1
_MAX_RUNS_A_BLOCK = 1000
# So many times the rounds that a quiet machine needs, and a window is over, disturbed or not.
_PATIENCE = 6
# A block that fewer other cores than this worked beside is one that had the machine for itself.
_ALONE = 0.2
# So many times the seconds that a quiet machine needs, and we stop with what there is.
_MOST_TIMES = 20


@dataclass
class Track:
    """What one model measured, a block a round."""

    min_runs: int = 0
    """Least number of runs that are enough."""
    min_seconds: float = 0.0
    """Least time of runs that is enough, in seconds."""
    blocks: list[list[float]] = field(default_factory=list)
    """Latencies in milliseconds."""
    disturbances: list[str | None] = field(default_factory=list)
    """What disturbed each block, None where nothing did."""
    windows: list[int] = field(default_factory=list)
    """The window that each block belongs to."""
    energies_mj: list[float | None] = field(default_factory=list)
    """What a run of each block took of the machine, in millijoules; None where no meter tells."""
    companies: list[float] = field(default_factory=list)
    """How many other cores worked beside each block."""

    @property
    def quiet(self) -> list[bool]:
        """Whether nothing disturbed a block, by block."""
        return [reason is None for reason in self.disturbances]

    @property
    def alone(self) -> list[bool]:
        """Whether a block also had the machine for itself, by block."""
        return [quiet and company < _ALONE for quiet, company in zip(self.quiet, self.companies, strict=True)]

    @property
    def kept(self) -> list[bool]:
        """The blocks whose figures count: the best kind of which there are enough, rounds as well as runs."""
        kept = choose(self.windows, self.alone, self.quiet)
        return kept if self._suffice(kept) else choose(self.windows, self.quiet, self.quiet)

    @property
    def accompanied(self) -> int:
        """How many of the blocks whose figures count other cores worked beside."""
        return sum(kept and company >= _ALONE for kept, company in zip(self.kept, self.companies, strict=True))

    @property
    def clean(self) -> list[list[float]]:
        """The blocks that nothing disturbed."""
        return [block for block, quiet in zip(self.blocks, self.quiet, strict=True) if quiet]

    @property
    def usable(self) -> bool:
        """Whether enough rounds were undisturbed for their figures to stand."""
        return len(self.clean) >= MIN_ROUNDS

    @property
    def windows_ms(self) -> list[list[float]]:
        """Latencies by window, of the blocks that count."""
        return [[time for i in numbers for time in self.blocks[i]] for numbers in by_window(self.windows, self.kept)]

    @property
    def times_ms(self) -> list[float]:
        """Latencies of all windows."""
        return [time for window in self.windows_ms for time in window]

    @property
    def interval_ms(self) -> tuple[float, float, float]:
        """The median latency and its 95 % interval, over windows; of a single window over its rounds, too narrow."""
        windows = self.windows_ms
        if len(windows) > 1:
            return window_interval(windows)
        blocks = [median(block) for block, kept in zip(self.blocks, self.kept, strict=True) if kept]
        middle, (_, low, high) = median(windows[0]), window_interval([blocks])
        return middle, min(low, middle), max(high, middle)

    @property
    def half_width(self) -> float:
        """Half the width of the latency's 95 % interval, as a share of the latency."""
        middle, low, high = self.interval_ms
        return (high - low) / 2 / middle

    @property
    def enough(self) -> bool:
        """Whether rounds, runs and time suffice."""
        return self.usable and self._suffice(self.kept)

    @property
    def energy_mj(self) -> float | None:
        """Of one run, in millijoules, the median of the blocks; None where no meter tells."""
        told = [energy for energy, kept in zip(self.energies_mj, self.kept, strict=True) if energy is not None and kept]
        return median(told) if told else None

    def add(
        self,
        times_ms: list[float],
        disturbance: str | None,
        window: int = 0,
        energy_mj: float | None = None,
        company: float = 0.0,
    ) -> None:
        self.blocks.append(times_ms)
        self.disturbances.append(disturbance)
        self.windows.append(window)
        self.energies_mj.append(energy_mj)
        self.companies.append(company)

    def cut(self, rounds: int) -> None:
        """Forget all but the first so many rounds."""
        for values in (self.blocks, self.disturbances, self.windows, self.energies_mj, self.companies):
            del values[rounds:]

    def _suffice(self, kept: Sequence[bool]) -> bool:
        times = [time for block, counts in zip(self.blocks, kept, strict=True) if counts for time in block]
        return len(times) >= self.min_runs and sum(times) >= self.min_seconds * 1e3


def by_window(windows: Sequence[int], keep: Sequence[bool]) -> list[list[int]]:
    """Return the numbers of the rounds to keep, window by window; windows without any are left out."""
    numbers: dict[int, list[int]] = {}
    for number, (window, kept) in enumerate(zip(windows, keep, strict=True)):
        if kept:
            numbers.setdefault(window, []).append(number)
    return list(numbers.values())


def choose(windows: Sequence[int], alone: list[bool], quiet: list[bool]) -> list[bool]:
    """Return which rounds count: those alone if they are enough, in as many windows as count; else the quiet ones if
    they are enough; else all."""
    if sum(alone) >= MIN_ROUNDS and len(by_window(windows, alone)) >= min(WINDOWS, len(set(windows))):
        return alone
    return quiet if sum(quiet) >= MIN_ROUNDS else [True] * len(windows)


@dataclass(frozen=True)
class Pairs:
    """First over second, round by round within windows, of medians of blocks; of those rounds in which both had the
    machine for themselves, or, if these are few, were undisturbed, or else of all."""

    ratios: list[list[float]]
    clean: int
    rounds: int
    accompanied: int
    """Beside how many of the rounds that count other cores worked."""

    @property
    def usable(self) -> bool:
        """Whether enough rounds were undisturbed for both."""
        return self.clean >= MIN_ROUNDS


def pair(first: Track, second: Track) -> Pairs:
    """Bring two models' rounds together."""
    alone = [a and b for a, b in zip(first.alone, second.alone, strict=True)]
    both = [a and b for a, b in zip(first.quiet, second.quiet, strict=True)]
    kept = choose(first.windows, alone, both)
    ratios = [
        [median(first.blocks[i]) / median(second.blocks[i]) for i in numbers]
        for numbers in by_window(first.windows, kept)
    ]
    companies = [max(beside) for beside in zip(first.companies, second.companies, strict=True)]
    accompanied = sum(counts and company >= _ALONE for counts, company in zip(kept, companies, strict=True))
    return Pairs(ratios, sum(both), len(both), accompanied)


def half_width(pairs: Pairs) -> float:
    """Return half the width of the ratio's 95 % interval, as a share of the ratio."""
    middle, low, high = window_interval(pairs.ratios)
    return (high - low) / 2 / middle


def measure(
    launch: Callable[[int], tuple[Sequence[WorkerProcess], Sequence[float]]],
    rows: int,
    references: Sequence[tuple[int, int]],
    *,
    min_runs: int,
    min_seconds: float,
    progress: Progress,
) -> list[Track]:
    """Time all models in turns, in five windows or more, and return a track a model.

    It ends when each model has `min_runs` runs and `min_seconds` seconds, undisturbed, and every interval is narrow,
    that of a ratio or, of a model that is in none, of its latency; or with what there is, after 15 windows or twenty
    times the time that a quiet machine needs.

    Args:
        launch: given the number of a window, returns for each model a process, warmed up, and about how long one run
            takes there, in milliseconds.
        rows: how many models there are.
        references: pairs of models whose ratio is wanted.

    Ctrl-C ends it early with what there is.
    """
    tracks = [Track(min_runs, min_seconds) for _ in range(rows)]
    needed, budget, spent = 0, 0.0, 0.0
    # Rounds alone are waited for until a window shows that other cores never rest.
    alone = True
    try:
        for window in range(MAX_WINDOWS):
            workers, run_ms = launch(window)
            if window == 0:
                runs, needed = _plan(run_ms, min_runs, min_seconds)
                budget = _MOST_TIMES * needed * sum(map(operator.mul, runs, run_ms)) / 1e3
            share = math.ceil(needed / WINDOWS)
            start = time.monotonic()
            for number in range(_PATIENCE * share):
                _round(workers, runs, tracks, window)
                within = min((number + 1) / share, 1.0)
                done = min((window + within) / WINDOWS, 0.99) if window < WINDOWS else 0.99
                progress(done, f"timing, window {window + 1}, round {number + 1}")
                late = spent + time.monotonic() - start > budget
                if number + 1 >= share and (late or _quiet_rounds(tracks, window, alone) >= share):
                    break
            alone = alone and _quiet_rounds(tracks, window, alone) > 0
            spent += time.monotonic() - start
            if window + 1 >= WINDOWS and (spent > budget or _enough(tracks, references)):
                break
    except KeyboardInterrupt:
        rounds = min(len(track.blocks) for track in tracks)
        if rounds == 0:
            raise
        for track in tracks:
            track.cut(rounds)
    progress(1.0, "timing")
    return tracks


def _plan(run_ms: Sequence[float], min_runs: int, min_seconds: float) -> tuple[list[int], int]:
    """Return the runs of a block of each model, and how many rounds a quiet machine needs."""
    block_seconds = min(_BLOCK_SECONDS, min_seconds / MIN_ROUNDS)
    runs = [min(max(math.ceil(block_seconds * 1e3 / ms), 1), _MAX_RUNS_A_BLOCK) for ms in run_ms]
    needed = max(
        max(MIN_ROUNDS, math.ceil(min_runs / count), math.ceil(min_seconds * 1e3 / (count * ms)))
        for count, ms in zip(runs, run_ms, strict=True)
    )
    return runs, needed


def _round(workers: Sequence[WorkerProcess], runs: Sequence[int], tracks: Sequence[Track], window: int) -> None:
    # Who comes right after whom changes, so that no model always follows the most cache-hungry one.
    number = len(tracks[0].blocks)
    turn = number // 2 % len(tracks)
    order = [*range(turn, len(tracks)), *range(turn)]
    for index in order[::-1] if number % 2 else order:
        reply = workers[index].call("block", runs=runs[index])
        tracks[index].add(reply["times_ms"], reply["disturbed"], window, reply.get("energy_mj"), reply["company"])


def _quiet_rounds(tracks: Sequence[Track], window: int, alone: bool) -> int:
    """In how many rounds of a window nothing disturbed any model, or each had the machine for itself."""
    rounds = zip(*(track.alone if alone else track.quiet for track in tracks), strict=True)
    return sum(all(models) for number, models in zip(tracks[0].windows, rounds, strict=True) if number == window)


def _enough(tracks: Sequence[Track], references: Sequence[tuple[int, int]]) -> bool:
    if not all(track.enough for track in tracks):
        return False
    paired = {number for numbers in references for number in numbers}
    widths = [half_width(pair(tracks[first], tracks[second])) for first, second in references]
    widths += [track.half_width for number, track in enumerate(tracks) if number not in paired]
    return max(widths) <= _NARROW
