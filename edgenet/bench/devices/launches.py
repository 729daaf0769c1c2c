"""The processes of a measurement: all models loaded side by side, and anew for every window."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from statistics import median
from types import TracebackType
from typing import Any

from edgenet.bench.devices.base import Settings
from edgenet.bench.devices.worker_process import WorkerProcess
from edgenet.bench.targets import Target

_FRESH_SECONDS = 0.5
"""Measurements as long as this have processes of their own for every window; in shorter ones starting them would take
many times as long as what is measured."""
_WARM_UP_SECONDS = 0.3


class Launches:
    """Starts a process a model, loads and warms it up, and keeps what that took.

    Args:
        targets: the models.
        start: starts a process.
        cores: given the number of threads, returns the cores to use.
        tell: is called with what is being done.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        settings: Settings,
        start: Callable[[], WorkerProcess],
        cores: Callable[[int], list[int]],
        tell: Callable[[str], None],
    ) -> None:
        self.targets = targets
        self._settings = settings
        self._start, self._cores, self._tell = start, cores, tell
        self._stack = ExitStack()
        self._workers: list[WorkerProcess] = []
        self._run_ms: list[float] = []
        self._loaded: list[list[dict[str, Any]]] = [[] for _ in targets]
        self._warm: list[list[dict[str, Any]]] = [[] for _ in targets]
        self.cores: list[int] = []
        """The cores that models have run on so far, those of the newest launch first."""
        self.warm_up_seconds = min(_WARM_UP_SECONDS, settings.min_seconds / 5)
        """How long each model runs before it is timed."""
        self.overhead_seconds = 0.0
        """What launching has taken beside loading models and warming them up."""

    @property
    def workers(self) -> list[WorkerProcess]:
        """A process a model, all loaded."""
        if not self._workers:
            self._launch()
        return self._workers

    def next(self, window: int) -> tuple[list[WorkerProcess], list[float]]:
        """Return the processes of a window, and how long a run takes in each, in milliseconds."""
        if window == 0 or self._settings.min_seconds >= _FRESH_SECONDS:
            self._launch()
        return self.workers, self._run_ms

    def figures(self, number: int) -> dict[str, Any]:
        """Return the path, input and memory of a model; memory is the median of the launches."""
        loaded, warm = self._loaded[number], self._warm[number]
        return {
            "path": loaded[0]["path"],
            "input": loaded[0]["input"],
            "rss_load_peak_bytes": int(median(state["rss_load_peak_bytes"] for state in loaded)),
            "rss_run_bytes": int(median(state["rss_run_bytes"] for state in warm)),
        }

    def shapes(self, number: int) -> dict[str, list[int]] | None:
        """Return what the inputs of a model were, by name; None where the device does not say."""
        shapes: dict[str, list[int]] | None = self._loaded[number][0].get("shapes")
        return shapes

    def start_up_ms(self, number: int) -> tuple[float, float]:
        """Return how long loading a model and its first run took, the medians of the launches."""
        loaded, warm = self._loaded[number], self._warm[number]
        return median(state["load_ms"] for state in loaded), median(state["first_ms"] for state in warm)

    def _launch(self) -> None:
        # What is half done when Ctrl-C comes must not be taken for whole.
        self._workers = []
        self._stack.close()
        begin, busy = time.monotonic(), 0.0
        started = [self._stack.enter_context(self._start()) for _ in self.targets]
        cores = self._cores(self._settings.threads)
        self.cores = list(dict.fromkeys([*cores, *self.cores]))
        run_ms = []
        for number, (target, worker) in enumerate(zip(self.targets, started, strict=True)):
            self._tell(f"loading {target.label}")
            loaded = _load(worker, target, cores, self._settings)
            before = time.monotonic()
            warm = worker.call("warm_up", seconds=self.warm_up_seconds)
            busy += time.monotonic() - before + loaded["load_ms"] / 1000
            self._loaded[number].append(loaded)
            self._warm[number].append(warm)
            run_ms.append(warm["run_ms"])
        self._workers, self._run_ms = started, run_ms
        self.overhead_seconds += time.monotonic() - begin - busy

    def __enter__(self) -> "Launches":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _load(worker: WorkerProcess, target: Target, cores: list[int], settings: Settings) -> dict[str, Any]:
    state = worker.call(
        "load",
        file=str(target.file),
        native=target.native,
        threads=settings.threads,
        cores=cores,
        shapes={name: list(shape) for name, shape in settings.shapes.items()},
        samples=str(target.samples) if target.samples else None,
        encoder=str(target.encoder) if target.encoder else None,
        **({"inputs": str(settings.inputs)} if settings.inputs else {}),
    )
    return dict(state)
