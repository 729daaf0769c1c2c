"""Interleaved timing: in every round each model runs one block, so that drift of the machine hits all alike."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from edgenet.bench.devices import WorkerProcess

Progress = Callable[[float, str], None]

MIN_ROUNDS = 10
_BLOCK_SECONDS = 0.1
_MAX_RUNS_A_BLOCK = 1000
# So many times the rounds that a quiet machine needs, and we stop with what there is.
_PATIENCE = 3


@dataclass
class Track:
    """What one model measured, round by round; None where a block was disturbed."""

    rounds: list[list[float] | None] = field(default_factory=list)
    disturbed: list[list[float]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def clean(self) -> list[list[float]]:
        return [times for times in self.rounds if times is not None]

    @property
    def usable(self) -> bool:
        """Whether enough rounds were undisturbed for their figures to stand."""
        return len(self.clean) >= MIN_ROUNDS

    @property
    def times_ms(self) -> list[float]:
        """Latencies of the undisturbed blocks; of all where too few were undisturbed."""
        blocks = self.clean if self.usable else self.clean + self.disturbed
        return [time for block in blocks for time in block]

    @property
    def medians(self) -> list[float | None]:
        return [None if times is None else median(times) for times in self.rounds]

    def add(self, times: list[float], reason: str | None) -> None:
        self.rounds.append(None if reason else times)
        if reason:
            self.disturbed.append(times)
            self.reasons.append(reason)

    def enough(self, min_runs: int, min_seconds: float) -> bool:
        times = [time for block in self.clean for time in block]
        return self.usable and len(times) >= min_runs and sum(times) >= min_seconds * 1e3


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
    except KeyboardInterrupt:
        rounds = min(len(track.rounds) for track in tracks)
        if rounds == 0:
            raise
        for track in tracks:
            del track.rounds[rounds:]
    return tracks
