"""Timing of small operators, interleaved in one process on one pinned thread."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

from edgenet.bench.machine import BlockTimer, quiet_cores
from edgenet.bench.statistics import paired_ratio

_BLOCK_SECONDS = 0.012
MIN_PAIRS = 20
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

    def quiet_rounds(self, peer: "Timing") -> list[int]:
        """Return the rounds in which neither was disturbed."""
        return [number for number, both in enumerate(zip(self.quiet, peer.quiet, strict=True)) if all(both)]

    def disturbed(self, peer: "Timing") -> bool:
        """Whether too few rounds were quiet, so that the ratio is that of all rounds and is not to be relied on."""
        return len(self.quiet_rounds(peer)) < MIN_PAIRS

    def ratio_of(self, peer: "Timing") -> dict[str, float]:
        """Return how many times as long the peer takes: median of paired blocks and 95 % interval."""
        rounds = range(len(self.blocks)) if self.disturbed(peer) else self.quiet_rounds(peer)
        ratio = paired_ratio([peer.blocks[i] for i in rounds], [self.blocks[i] for i in rounds])
        return dict(zip(("median", "low", "high"), ratio, strict=True))


@contextmanager
def pinned() -> Iterator[int]:
    """Pin this process to the quietest core, which is yielded, and let it go again."""
    before = os.sched_getaffinity(0)
    (core,) = quiet_cores(1)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


def measure(calls: Mapping[str, Callable[[], object]], core: int, seconds: float) -> dict[str, Timing]:
    """Time calls in turns for about `seconds`, and up to three times as long until 20 pairs are undisturbed.

    A block is some 12 ms of one call, after one untimed run; it counts if the core was ours meanwhile.
    """
    timer = BlockTimer([core], threads=1)
    timings = {name: Timing() for name in calls}
    repeats = {name: _repeats(call) for name, call in calls.items()}
    start, order = time.perf_counter(), list(calls)
    while True:
        for name in order:
            # The call before ours has emptied the caches.
            calls[name]()
            block = timer.run(calls[name], repeats[name])
            timings[name].blocks.append(median(block.times_ms) * 1e3)
            timings[name].quiet.append(block.disturbance is None)
        order.reverse()
        elapsed = time.perf_counter() - start
        pairs = sum(map(all, zip(*(timing.quiet for timing in timings.values()), strict=True)))
        if elapsed > _PATIENCE * seconds or (elapsed > seconds and pairs >= MIN_PAIRS):
            return timings


def _repeats(call: Callable[[], object]) -> int:
    for _ in range(3):
        call()
    start = time.perf_counter()
    call()
    return max(2, int(_BLOCK_SECONDS / (time.perf_counter() - start)))
