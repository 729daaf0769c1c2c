"""What a device is: a place that measures files and stamps its environment."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgenet.bench.targets import Target, collect

Progress = Callable[[float, str], None]
"""Is called with the fraction done and what is being done."""

MIN_RUNS = 50
MIN_SECONDS = 3.0


@dataclass(frozen=True)
class Settings:
    """How to measure."""

    threads: int = 1
    """Of ONNX Runtime within an operator."""
    min_runs: int = MIN_RUNS
    """Least number of undisturbed runs of every row; on a microcontroller, the most samples that it runs."""
    min_seconds: float = MIN_SECONDS
    """Least time of undisturbed runs of every row, in seconds."""
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Input shapes by name, the empty name for the first input; with them accuracy is left out."""
    inputs: Path | None = None
    """An .npz file of arrays by input name to run on; with it accuracy is left out."""
    accuracy: bool = True
    """Whether to measure accuracy where a file has samples beside it."""
    profile: bool = False
    """Whether to say where the time goes, operator by operator."""
    quantize: Callable[[Path, bool], Path] | None = None
    """Writes ONNX Runtime's own version of a full-precision file with fewer bits, which becomes a row beside it; told
    whether the device adds products of bytes exactly (`edgenet.bench.quantizing`)."""


class Device(ABC):
    """A place to measure on."""

    pattern: str
    """How `--device` names devices of this kind, as `cpu` or `ssh://user@host[:port]`."""
    description: str
    name: str
    """How it was named."""
    ignores: tuple[str, ...] = ()
    """Those of `Settings` that mean nothing there."""

    @classmethod
    @abstractmethod
    def named(cls, name: str) -> "Device | None":
        """Return the device of this kind that has the name, None if the name is of no such device.

        Raises:
            EdgenetError: the name is one of this kind, but wrong.
        """

    @abstractmethod
    def environment(self, threads: int) -> dict[str, object]:
        """Return the device's stamp: cpu, isa, cores, threads, governor, os, versions."""

    @abstractmethod
    def measure(self, paths: Sequence[str | Path], settings: Settings, progress: Progress) -> list[dict[str, Any]]:
        """Measure run folders and .onnx files, and return a row for each file and path (`edgenet.bench.results`).

        Raises:
            EdgenetError: a path is missing or cannot run there, or the device cannot be used.
        """

    def adds_products_of_bytes_exactly(self) -> bool:
        """Whether ONNX Runtime adds products of uint8 and int8 without overflow there."""
        return True

    def collect(self, paths: Sequence[str | Path], settings: Settings, *, native: bool) -> list[Target]:
        """Return the rows to measure (`edgenet.bench.targets`), 8-bit versions among them where they are wanted."""
        write = settings.quantize
        if write is None:
            return collect(paths, native=native, shapes=settings.shapes)
        exact = self.adds_products_of_bytes_exactly()
        return collect(paths, native=native, shapes=settings.shapes, quantize=lambda file: write(file, exact))

    def learned(self) -> dict[str, object]:
        """What only measuring could tell, for the stamp, such as what it has cost beside itself; {} where nothing."""
        return {}

    def close(self) -> None:  # noqa: B027
        """Give up what measuring took, such as a connection."""
