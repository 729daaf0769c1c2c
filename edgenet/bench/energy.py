"""Energy that the machine has used, from the counters of its processor (RAPL, which Linux shows under powercap)."""

from pathlib import Path

_POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Adds up what all processor packages use; reads nothing where the kernel has no counter or does not let us.

    Args:
        powercap: the kernel's folder of counters.
    """

    def __init__(self, powercap: Path = _POWERCAP) -> None:
        # Packages alone (intel-rapl:0): what lies within them (intel-rapl:0:0) is counted there already.
        folders = [folder for folder in powercap.glob("*-rapl:*") if folder.name.count(":") == 1]
        self._counters = [folder for folder in sorted(folders) if _read(folder / "energy_uj") is not None]
        self._last = self._readings()

    def millijoules(self) -> float | None:
        """Return what was used since the last call, at first since this meter was made; None where it cannot be told.

        A counter that began anew in between is seen through if it did so once.
        """
        if not self._counters:
            return None
        before, self._last = self._last, self._readings()
        used = 0
        for folder, then, now in zip(self._counters, before, self._last, strict=True):
            if then is None or now is None:
                return None
            used += now - then if now >= then else now - then + (_read(folder / "max_energy_range_uj") or 0)
        return used / 1e3 if used > 0 else None

    def _readings(self) -> list[int | None]:
        return [_read(folder / "energy_uj") for folder in self._counters]


def _read(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
