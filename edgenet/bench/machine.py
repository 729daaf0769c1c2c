"""The machine that measures: what it is, which cores are quiet, and whether something disturbed a block of runs."""

import os
import platform
import resource
import time
from pathlib import Path

import onnxruntime

import edgenet
from edgenet.runtime import library

_TICK = 1 / os.sysconf("SC_CLK_TCK")
# A block is disturbed when more than this share of its time went to somebody else.
_TOLERANCE = 0.02


def environment(threads: int) -> dict[str, object]:
    """Return the stamp that goes with every result of this machine; null where a figure cannot be had."""
    return {
        "cpu": _cpu_model(),
        "isa": library.isa(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "edgenet": edgenet.__version__,
        "operators": library.version(),
    }


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


class DisturbanceMeter:
    """Tells how much of a block's time on the given cores went to others: other processes, or the host (steal).

    One thread: wall time in which this process did not run. Several: busy time of the cores that is not ours.
    """

    def __init__(self, cores: list[int], threads: int) -> None:
        self._cores = cores
        self._threads = threads

    def start(self) -> None:
        self._switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        self._ticks = self._machine_ticks()
        self._processor = time.process_time()
        self._wall = time.perf_counter()

    def stop(self) -> str | None:
        """Return what disturbed the block since `start`, None if nothing did."""
        wall = time.perf_counter() - self._wall
        ours = time.process_time() - self._processor
        busy, stolen = (after - before for after, before in zip(self._machine_ticks(), self._ticks, strict=True))
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - self._switches
        # The kernel counts in ticks of 10 ms, so that one of them is within its own rounding.
        if (stolen - 1) * _TICK > _TOLERANCE * wall or (stolen and wall < 10 * _TICK):
            return f"the host took {stolen * _TICK * 1e3:.0f} ms"
        if self._threads == 1:
            lost = wall - ours
            if lost > _TOLERANCE * wall:
                return f"other work took {lost * 1e3:.1f} ms ({switches} involuntary context switches)"
            return None
        others = (busy - len(self._cores)) * _TICK - ours
        return f"other work took {others * 1e3:.0f} ms" if others > _TOLERANCE * wall * len(self._cores) else None

    def _machine_ticks(self) -> tuple[int, int]:
        busy, stolen = 0, 0
        for core, values in _cpu_lines().items():
            if core in self._cores:
                busy += sum(values[:3]) + sum(values[5:8])
                stolen += values[7]
        return busy, stolen


def throttle_count() -> int:
    """Return how often the CPU has throttled for heat since boot; 0 where the kernel does not say."""
    total = 0
    for path in Path("/sys/devices/system/cpu").glob("cpu*/thermal_throttle/core_throttle_count"):
        total += int(path.read_text())
    return total


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
    information = Path("/proc/cpuinfo")
    for line in information.read_text().splitlines() if information.exists() else []:
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware"):
            return value.strip()
    return platform.processor() or platform.machine()


def _first_line(path: str) -> str | None:
    try:
        return Path(path).read_text().strip() or None
    except OSError:
        return None
