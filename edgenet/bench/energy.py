"""Energy that the machine has used: from the counters of its processor (RAPL, which Linux shows under powercap), else
from a board's sensor of the power that it takes in (under hwmon)."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

WHOLE_BOARD = ("VDD_IN", "POM_5V_IN")
"""How kernels label the supply from which a board makes all others (NVIDIA's Jetson boards)."""
_POWERCAP, _HWMON = Path("/sys/class/powercap"), Path("/sys/class/hwmon")
# Sensors measure anew every few milliseconds, and to read one over its bus takes about as long.
_BETWEEN_SAMPLES = 0.01


class _Meter(Protocol):
    def sample(self) -> None: ...

    def millijoules(self) -> float | None: ...


class EnergyMeter:
    """Adds up what all processor packages use, or else what a board takes in; reads nothing where the kernel shows
    neither or does not let us.

    Args:
        powercap: the kernel's folder of counters.
        hwmon: its folder of sensors.
        clock: tells seconds, for the time between two samples of a sensor.
    """

    def __init__(
        self, powercap: Path = _POWERCAP, hwmon: Path = _HWMON, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._meter: _Meter | None = None
        # Packages alone (intel-rapl:0): what lies within them (intel-rapl:0:0) is counted there already.
        folders = [folder for folder in powercap.glob("*-rapl:*") if folder.name.count(":") == 1]
        counters = [folder for folder in sorted(folders) if _read(folder / "energy_uj") is not None]
        if counters:
            self._meter = _Counters(counters)
        elif (supply := _find_supply(hwmon)) is not None:
            self._meter = _Supply(supply, clock)

    def sample(self) -> None:
        """Look at a sensor, if that is what is read and the last look was a while ago; to be called between runs."""
        if self._meter is not None:
            self._meter.sample()

    def millijoules(self) -> float | None:
        """Return what was used since the last call, at first since this meter was made; None where it cannot be told.

        A counter that began anew in between is seen through if it did so once. Of a sensor it is the power at the
        samples, and in straight lines between them, over time.
        """
        return None if self._meter is None else self._meter.millijoules()


class _Counters:
    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._last = self._readings()

    def sample(self) -> None:
        """Nothing: counters miss nothing."""

    def millijoules(self) -> float | None:
        before, self._last = self._last, self._readings()
        used = 0
        for folder, then, now in zip(self._folders, before, self._last, strict=True):
            if then is None or now is None:
                return None
            used += now - then if now >= then else now - then + (_read(folder / "max_energy_range_uj") or 0)
        return used / 1e3 if used > 0 else None

    def _readings(self) -> list[int | None]:
        return [_read(folder / "energy_uj") for folder in self._folders]


class _Supply:
    """`label` is the sensor's file inN_label; its volts and amperes, or its power, lie beside it."""

    def __init__(self, label: Path, clock: Callable[[], float]) -> None:
        self._label, self._clock = label, clock
        self._time, self._power = clock(), _microwatts(label)
        self._used: float | None = 0.0

    def sample(self) -> None:
        if self._clock() - self._time >= _BETWEEN_SAMPLES:
            self._add()

    def millijoules(self) -> float | None:
        self._add()
        used, self._used = self._used, 0.0
        return used or None

    def _add(self) -> None:
        then, power = self._time, self._power
        self._time, self._power = self._clock(), _microwatts(self._label)
        if self._used is None or power is None or self._power is None:
            self._used = None
        else:
            self._used += (power + self._power) / 2e3 * (self._time - then)


def _find_supply(hwmon: Path) -> Path | None:
    for label in sorted(hwmon.glob("hwmon*/in*_label")):
        try:
            if label.read_text().strip() in WHOLE_BOARD and _microwatts(label) is not None:
                return label
        except OSError:
            continue
    return None


def _microwatts(label: Path) -> int | None:
    number = label.name.removeprefix("in").removesuffix("_label")
    power = _read(label.with_name(f"power{number}_input"))
    if power is not None:
        return power
    millivolts, milliamperes = (
        _read(label.with_name(f"in{number}_input")),
        _read(label.with_name(f"curr{number}_input")),
    )
    return None if millivolts is None or milliamperes is None else millivolts * milliamperes


def _read(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
