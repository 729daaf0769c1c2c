"""What may change on a machine while it measures: clocks, heat, load, the cores that may be used."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SYSTEM = Path("/sys")
_CPUS = "devices/system/cpu"
_FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"
# Of the flags of a Raspberry Pi's firmware: what is the case now, and not what has been.
_FIRMWARE_NOW = 0xF


@dataclass(frozen=True)
class Clock:
    """How a core's clock is set; None where the kernel does not say."""

    governor: str | None = None
    limit_khz: int | None = None
    """The highest clock that the system allows, which heat and low power lower."""
    frequency_khz: int | None = None


@dataclass(frozen=True)
class Health:
    """What may disturb a measurement without a trace in its times, at one moment."""

    clocks: Mapping[int, Clock]
    """By core that this process may use."""
    throttle_count: int
    """How often the CPU has slowed down for heat or low power since boot, as far as the kernel or a Raspberry Pi's
    firmware tells."""
    throttled: bool
    """Whether it is slowed down now."""
    temperature_c: float | None
    """Of the hottest place, in degrees Celsius."""
    load: float | None
    """Processes that ran or wanted to, on average over the last minute."""

    @classmethod
    def now(cls, system: Path = _SYSTEM) -> "Health":
        """Read this machine's; `system` is where the kernel shows it."""
        cooling = [
            folder
            for folder in system.glob("class/thermal/cooling_device*")
            # Other devices, such as fans, are free to work.
            if "cpufreq" in (first_line(folder / "type") or "")
        ]
        count = sum(map(_number, system.glob(f"{_CPUS}/cpu*/thermal_throttle/core_throttle_count")))
        count += sum(_number(folder / "stats/total_trans") for folder in cooling)
        firmware = _whole(first_line(system / _FIRMWARE), 16) or 0
        zones = [_whole(first_line(file)) for file in system.glob("class/thermal/thermal_zone*/temp")]
        return cls(
            {core: _clock(system, core) for core in sorted(os.sched_getaffinity(0))},
            count + firmware.bit_count(),
            any(_number(folder / "cur_state") for folder in cooling) or bool(firmware & _FIRMWARE_NOW),
            max((zone / 1e3 for zone in zones if zone is not None), default=None),
            os.getloadavg()[0],
        )

    @classmethod
    def told(cls, answer: Mapping[str, Any]) -> "Health":
        """Take over what `edgenet-runner` answers to `health`."""
        clocks = {
            int(clock["core"]): Clock(clock["governor"], _whole(clock["limit_khz"]), _whole(clock["frequency_khz"]))
            for clock in answer["clocks"]
        }
        figures = (answer[key] for key in ("throttle_count", "throttled", "temperature_c", "load"))
        return cls(clocks, *figures)

    def clock(self, core: int | None) -> Clock:
        """Return a core's clock, that of the first core where the core's is not known."""
        first = next(iter(self.clocks.values()), Clock())
        return first if core is None else self.clocks.get(core, first)

    def stamp(self, core: int | None) -> dict[str, object]:
        """Return what goes with a row that was measured on the core."""
        return {
            **asdict(self.clock(core)),
            "temperature_c": self.temperature_c,
            "load": self.load and round(self.load, 2),
        }

    def changes(self, later: "Health", cores: Sequence[int]) -> list[str]:
        """Return flags of what changed on the machine, or on those cores of it, meanwhile."""
        flags = []
        for before, after in ((self.clock(core), later.clock(core)) for core in cores):
            if after.governor != before.governor:
                flags.append(f"disturbed: the governor was {before.governor} and became {after.governor}")
            if after.limit_khz != before.limit_khz:
                flags.append(f"disturbed: the clock's limit was {before.limit_khz} kHz and became {after.limit_khz}")
        if later.clocks.keys() != self.clocks.keys():
            allowed = [",".join(map(str, sorted(clocks))) for clocks in (self.clocks, later.clocks)]
            flags.append(f"disturbed: the cores allowed were {allowed[0]} and became {allowed[1]}")
        if self.throttled:
            flags.append("throttled: the CPU was slowed down already, for heat or low power, when measuring began")
        if later.throttle_count > self.throttle_count or later.throttled > self.throttled:
            flags.append("throttled: the CPU slowed down for heat or low power")
        return flags


def first_line(path: str | Path) -> str | None:
    """Return what a file of the kernel says; None where it is empty or cannot be read."""
    try:
        return Path(path).read_text().strip() or None
    except OSError:
        return None


def _number(path: Path) -> int:
    return _whole(first_line(path)) or 0


def _whole(value: str | float | None, base: int = 10) -> int | None:
    """A whole number, None where there is none: kernels also write words, such as <unsupported>."""
    try:
        return int(value, base) if isinstance(value, str) else None if value is None else int(value)
    except ValueError:
        return None


def _clock(system: Path, core: int) -> Clock:
    folders = (system / _CPUS / f"cpu{number}" / "cpufreq" for number in (core, 0))
    folder = next((folder for folder in folders if folder.is_dir()), None)
    if folder is None:
        return Clock()
    limit, frequency = (first_line(folder / f"scaling_{name}_freq") for name in ("max", "cur"))
    return Clock(first_line(folder / "scaling_governor"), _whole(limit), _whole(frequency))
