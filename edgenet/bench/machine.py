"""The machine that measures: what it is, which cores are quiet, and whether something disturbed a block of runs."""

import gc
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

import edgenet
from edgenet.bench.health import Health
from edgenet.runtime import library

_TICK = 1 / os.sysconf("SC_CLK_TCK")
# A run or a block is disturbed when more than this share of its time went to somebody else.
_TOLERANCE = 0.02
_CLOCK_NOISE_NS = 5_000


def environment(threads: int) -> dict[str, object]:
    """Return the stamp that goes with every result of this machine; null where a figure cannot be had."""
    hardware = describe()
    return {
        "cpu": hardware["cpu"],
        "isa": library.isa(),
        "cores": hardware["cores"],
        "threads": threads,
        "governor": Health.now().clock(None).governor,
        "load": round(os.getloadavg()[0], 2),
        "os": hardware["os"],
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "edgenet": edgenet.__version__,
        "operators": library.version(),
    }


def describe() -> dict[str, object]:
    """Return the part of the stamp that needs nothing of this installation: cpu, cores, os."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def adds_products_of_bytes_exactly(machine: str, features: str) -> bool:
    """Whether ONNX Runtime adds products of uint8 and int8 without overflow, on a CPU of a kind with such features.

    On x86 without VNNI it adds two of them in 16 bits (VPMADDUBSW), which saturates where the int8 needs all 8 bits:
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why do I need to try U8U8".
    """
    return machine not in ("x86_64", "AMD64") or not {"avx512_vnni", "avx_vnni"}.isdisjoint(features.split())


def features() -> str:
    """What instructions this CPU has, in Linux's words; "" where it is not known."""
    return _cpu_information("flags") or _cpu_information("Features") or ""


def quiet_cores(count: int, seconds: float = 0.1) -> list[int]:
    """Return the `count` least busy of the cores this process may use, watched for some time."""
    cores = sorted(os.sched_getaffinity(0))
    if count >= len(cores):
        return cores
    before = _busy_ticks()
    time.sleep(seconds)
    after = _busy_ticks()
    # Core 0 serves most interrupts, so of equally quiet cores the last is taken.
    return sorted(cores, key=lambda core: (after.get(core, 0) - before.get(core, 0), -core))[:count]


@dataclass(frozen=True)
class Block:
    """Runs of one model in a row, in milliseconds, and what disturbed them (None: nothing that matters)."""

    times_ms: list[float]
    disturbance: str | None
    company: float
    """How many other cores worked meanwhile: they share caches and memory, and at times the very core, with ours."""


class BlockTimer:
    """Times runs of one model on the given cores and leaves out what others did to them.

    On one thread a run in which this process did not have its core all the time is dropped, and a block that lost
    more than half of its runs is disturbed. On several threads, where that cannot be told, a block is disturbed when
    the cores were busy with others. Time that the host took (steal) disturbs a block on any number.
    """

    def __init__(self, cores: list[int], threads: int) -> None:
        self._cores = cores
        self._threads = threads

    def run(self, call: Callable[[], object], runs: int, between: Callable[[], object] | None = None) -> Block:
        """Time a block, with Python's garbage collector at rest; `between` is called, untimed, after every run."""
        gc.disable()
        affinity = os.sched_getaffinity(0)
        walls, processors = [], []
        ticks = self._machine_ticks()
        start, processor = time.perf_counter(), time.process_time()
        for _ in range(runs):
            before = time.process_time_ns()
            wall = time.perf_counter_ns()
            call()
            walls.append(time.perf_counter_ns() - wall)
            processors.append(time.process_time_ns() - before)
            if between is not None:
                between()
        elapsed, ours = time.perf_counter() - start, time.process_time() - processor
        busy, stolen, elsewhere = (now - then for now, then in zip(self._machine_ticks(), ticks, strict=True))
        gc.enable()
        reason = self._disturbance(elapsed, ours, busy, stolen)
        if os.sched_getaffinity(0) != affinity:
            reason = "the process was moved to other cores"
        if self._threads == 1:
            kept = [w for w, p in zip(walls, processors, strict=True) if w - p <= max(_TOLERANCE * w, _CLOCK_NOISE_NS)]
            if 2 * len(kept) >= runs:
                walls = kept
            else:
                reason = reason or f"other work broke into {runs - len(kept)} of {runs} runs"
        return Block([nanoseconds / 1e6 for nanoseconds in walls], reason, elsewhere * _TICK / elapsed)

    def _disturbance(self, elapsed: float, ours: float, busy: int, stolen: int) -> str | None:
        # The kernel counts in ticks of 10 ms, so that one of them is within its own rounding.
        if (stolen - 1) * _TICK > _TOLERANCE * elapsed or (stolen and elapsed < 10 * _TICK):
            return f"the host took {stolen * _TICK * 1e3:.0f} ms"
        others = (busy - len(self._cores)) * _TICK - ours
        if self._threads > 1 and others > _TOLERANCE * elapsed * len(self._cores):
            return f"other work took {others * 1e3:.0f} ms"
        return None

    def _machine_ticks(self) -> tuple[int, int, int]:
        busy, stolen, elsewhere = 0, 0, 0
        for core, values in _cpu_lines().items():
            ticks = sum(values[:3]) + sum(values[5:8])
            if core in self._cores:
                busy += ticks
                stolen += values[7]
            else:
                elsewhere += ticks
        return busy, stolen, elsewhere


def _busy_ticks() -> dict[int, int]:
    return {core: sum(values[:3]) + sum(values[5:8]) for core, values in _cpu_lines().items()}


def _cpu_lines() -> dict[int, list[int]]:
    """Return /proc/stat's ticks by core: user, nice, system, idle, iowait, irq, softirq, steal, ..."""
    lines = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name.startswith("cpu") and name != "cpu":
            lines[int(name[3:])] = [int(value) for value in values]
    return lines


def _cpu_model() -> str:
    return _cpu_information("model name", "Model", "Hardware") or platform.processor() or platform.machine()


def _cpu_information(*keys: str) -> str | None:
    """Return what /proc/cpuinfo says first of any of the keys."""
    information = Path("/proc/cpuinfo")
    for line in information.read_text().splitlines() if information.exists() else []:
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return None
