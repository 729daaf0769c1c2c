"""Interleaved timing: in every round each model runs one block, so that drift of the machine hits all alike."""

import math
import operator
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from edgenet.bench.devices.base import Progress
from edgenet.bench.devices.worker_process import WorkerProcess

MIN_ROUNDS = 10
_BLOCK_SECONDS = 0.1
_MAX_RUNS_A_BLOCK = 1000
# So many times the rounds or the time that a quiet machine needs, and we stop with what there is.
_PATIENCE = 3


@dataclass
class Track:
    """What one model measured, a block a round."""

    blocks: list[list[float]] = field(default_factory=list)
    """Latencies in milliseconds."""
    disturbances: list[str | None] = field(default_factory=list)
    """What disturbed each block, None where nothing did."""

    @property
    def clean(self) -> list[list[float]]:
        """The blocks that nothing disturbed."""
        return [block for block, reason in zip(self.blocks, self.disturbances, strict=True) if reason is None]

    @property
    def usable(self) -> bool:
        """Whether enough rounds were undisturbed for their figures to stand."""
        return len(self.clean) >= MIN_ROUNDS

    @property
    def times_ms(self) -> list[float]:
        """Latencies of the undisturbed blocks; of all where too few were undisturbed."""
        return [time for block in (self.clean if self.usable else self.blocks) for time in block]

    def add(self, times_ms: list[float], disturbance: str | None) -> None:
        self.blocks.append(times_ms)
        self.disturbances.append(disturbance)

    def enough(self, min_runs: int, min_seconds: float) -> bool:
        times = [time for block in self.clean for time in block]
        return self.usable and len(times) >= min_runs and sum(times) >= min_seconds * 1e3


@dataclass(frozen=True)
class Pairs:
    """Medians of two models, round by round; those rounds in which both were undisturbed, or all if these are few."""

    first: list[float]
    second: list[float]
    clean: int
    rounds: int

    @property
    def usable(self) -> bool:
        """Whether enough rounds were undisturbed for both."""
        return self.clean >= MIN_ROUNDS


def pair(first: Track, second: Track) -> Pairs:
    """Bring two models' rounds together."""
    both = [a is None and b is None for a, b in zip(first.disturbances, second.disturbances, strict=True)]
    keep = both if sum(both) >= MIN_ROUNDS else [True] * len(both)
    medians = [[median(b) for b, kept in zip(track.blocks, keep, strict=True) if kept] for track in (first, second)]
    return Pairs(medians[0], medians[1], sum(both), len(both))


def measure(
    workers: Sequence[WorkerProcess],
    run_ms: Sequence[float],
    *,
    min_runs: int,
    min_seconds: float,
    progress: Progress,
) -> list[Track]:
    """Time all models in turns until each has `min_runs` runs and `min_seconds` seconds, undisturbed.

    Args:
        workers: a process a model, warmed up.
        run_ms: about how long one run of each takes, in milliseconds.

    Ctrl-C ends it early with what there is.
    """
    block_seconds = min(_BLOCK_SECONDS, min_seconds / MIN_ROUNDS)
    runs = [min(max(math.ceil(block_seconds * 1e3 / ms), 1), _MAX_RUNS_A_BLOCK) for ms in run_ms]
    needed = max(
        max(MIN_ROUNDS, math.ceil(min_runs / count), math.ceil(min_seconds * 1e3 / (count * ms)))
        for count, ms in zip(runs, run_ms, strict=True)
    )
    deadline = time.monotonic() + _PATIENCE * needed * sum(map(operator.mul, runs, run_ms)) / 1e3
    tracks = [Track() for _ in workers]
    order = list(range(len(workers)))
    try:
        for number in range(_PATIENCE * needed):
            for index in order:
                reply = workers[index].call("block", runs=runs[index])
                tracks[index].add(reply["times_ms"], reply["disturbed"])
            # Who comes right after whom changes, so that no model always follows the most cache-hungry one.
            order = order[::-1] if number % 2 else order[1:] + order[:1]
            progress(min((number + 1) / needed, 1.0), f"timing, round {number + 1}")
            if number + 1 >= needed and all(track.enough(min_runs, min_seconds) for track in tracks):
                break
            if number + 1 >= MIN_ROUNDS and time.monotonic() > deadline:
                break
    except KeyboardInterrupt:
        rounds = min(len(track.blocks) for track in tracks)
        if rounds == 0:
            raise
        for track in tracks:
            del track.blocks[rounds:], track.disturbances[rounds:]
    return tracks
