"""Timing of several calls in turns, in one process on one pinned thread."""

import os
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from edgenet.bench.machine import BlockTimer, quiet_cores
from edgenet.bench.statistics import paired_ratio

Call = Callable[[], object]
Key = TypeVar("Key", bound=Hashable)

_BLOCK_SECONDS = 0.012
_SPIN_SECONDS = 0.03
MIN_PAIRS = 20
MIN_QUIET = 5
_PATIENCE = 3.0


@dataclass
class Timing:
    """Median microseconds of one implementation, round by round, each block undisturbed or not."""

    blocks: list[float] = field(default_factory=list)
    quiet: list[bool] = field(default_factory=list)

    @property
    def median_us(self) -> float:
        """Median of the undisturbed blocks, of all where none was."""
        return median([block for block, quiet in zip(self.blocks, self.quiet, strict=True) if quiet] or self.blocks)

    @property
    def best_us(self) -> float:
        """The fastest block: what others do to a machine only ever makes it slower."""
        return min(self.blocks)

    def quiet_rounds(self, peer: "Timing") -> list[int]:
        """Return the rounds in which neither was disturbed."""
        return [number for number, both in enumerate(zip(self.quiet, peer.quiet, strict=True)) if all(both)]

    def disturbed(self, peer: "Timing") -> bool:
        """Whether too few rounds were quiet, so that the ratio is that of all and is not to be relied on."""
        return len(self.quiet_rounds(peer)) < min(MIN_QUIET, len(self.blocks))

    def ratio_of(self, peer: "Timing") -> dict[str, float]:
        """Return how many times as long the peer takes: median of paired blocks and 95 % interval."""
        rounds = range(len(self.blocks)) if self.disturbed(peer) else self.quiet_rounds(peer)
        ratio = paired_ratio([peer.blocks[i] for i in rounds], [self.blocks[i] for i in rounds])
        return dict(zip(("median", "low", "high"), ratio, strict=True))

    def per_layer(self, layers: int) -> "Timing":
        """Return the same of one of so many layers in a row."""
        return Timing([block / layers for block in self.blocks], self.quiet)


@contextmanager
def pinned(threads: int = 1) -> Iterator[list[int]]:
    """Find the quietest cores, which are yielded, pin this process to the first of them, and let it go again.

    Threads inherit it, so that whatever makes threads of its own has to be made in here, and told where to put them.
    """
    before = os.sched_getaffinity(0)
    cores = quiet_cores(threads)
    os.sched_setaffinity(0, set(cores[:1]))
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, before)


def measure(
    calls: Mapping[Key, Call], cores: list[int], seconds: float, limit: float | None = None
) -> dict[Key, Timing]:
    """Time calls in turns for about `seconds`, and up to `limit` until 20 pairs are undisturbed.

    A block is some 12 ms of one call, after one untimed run where a run is shorter than a block: the call before ours
    has emptied the caches. On several cores it waits until threads of the call before have stopped looking for work, as
    they do for some milliseconds. A block counts if the cores were ours meanwhile. At least one round is timed.
    """
    limit = _PATIENCE * seconds if limit is None else limit
    timer = BlockTimer(cores, threads=len(cores))
    timings = {key: Timing() for key in calls}
    start = time.perf_counter()
    repeats = {key: _repeats(call) for key, call in calls.items()}
    order = list(calls)
    while True:
        for key in order:
            if len(cores) > 1:
                time.sleep(_SPIN_SECONDS)
            if repeats[key] > 1:
                calls[key]()
            block = timer.run(calls[key], repeats[key])
            timings[key].blocks.append(median(block.times_ms) * 1e3)
            timings[key].quiet.append(block.disturbance is None)
        order.reverse()
        elapsed = time.perf_counter() - start
        pairs = sum(map(all, zip(*(timing.quiet for timing in timings.values()), strict=True)))
        if elapsed > limit or (elapsed > seconds and pairs >= MIN_PAIRS):
            return timings


def _repeats(call: Call) -> int:
    """How many runs make a block, after a first one that is not timed."""
    call()
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    if once < _BLOCK_SECONDS:
        start = time.perf_counter()
        call()
        once = min(once, time.perf_counter() - start)
    return max(1, int(_BLOCK_SECONDS / once))
