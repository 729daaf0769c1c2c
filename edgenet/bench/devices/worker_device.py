"""Devices that run ONNX Runtime: a worker process a row, timed in interleaved rounds."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edgenet.bench import results
from edgenet.bench.devices.base import Device, Progress, Settings
from edgenet.bench.devices.worker_process import WorkerProcess
from edgenet.bench.rounds import measure
from edgenet.bench.targets import Target, collect, reference


class WorkerDevice(Device):
    """A device that can start processes which answer the requests of `edgenet.bench.worker`."""

    @abstractmethod
    def cores(self, threads: int) -> list[int]:
        """Return the cores that workers are pinned to."""

    @abstractmethod
    def start(self) -> WorkerProcess:
        """Start a process that holds one model."""

    @abstractmethod
    def native_available(self) -> bool:
        """Whether the operator library can be used there."""

    @abstractmethod
    def throttle_count(self) -> int:
        """Return how often the device has throttled for heat so far."""

    def measure(self, paths: Sequence[str | Path], settings: Settings, progress: Progress) -> list[dict[str, Any]]:
        targets = collect(paths, native=self.native_available(), shapes=settings.shapes)
        throttled = self.throttle_count()
        with ExitStack() as stack:
            workers = [stack.enter_context(self.start()) for _ in targets]
            rows = self._measure_rows(targets, workers, settings, progress)
        if self.throttle_count() > throttled:
            for row in rows:
                row["flags"].append("throttled: the CPU slowed down for heat")
        return rows

    def _measure_rows(
        self, targets: list[Target], workers: list[WorkerProcess], settings: Settings, progress: Progress
    ) -> list[dict[str, Any]]:
        rows = [results.static_row(self.name, target) for target in targets]
        cores = self.cores(settings.threads)
        loaded, warm = [], []
        for number, (target, worker, row) in enumerate(zip(targets, workers, rows, strict=True)):
            progress(0.1 * number / len(targets), f"loading {target.label}")
            loaded.append(_load(worker, target, cores, settings))
            warm.append(worker.call("warm_up", seconds=min(0.3, settings.min_seconds / 5)))
            row.update({key: loaded[-1][key] for key in ("path", "input", "rss_load_peak_bytes")})
            row["rss_run_bytes"] = warm[-1]["rss_run_bytes"]
        tracks = measure(
            workers,
            [state["run_ms"] for state in warm],
            min_runs=settings.min_runs,
            min_seconds=settings.min_seconds,
            progress=lambda fraction, text: progress(0.1 + 0.7 * fraction, text),
        )
        for number, (target, worker, row) in enumerate(zip(targets, workers, rows, strict=True)):
            progress(0.8 + 0.2 * number / len(targets), f"accuracy and memory of {target.label}")
            results.add_latency(
                row, tracks[number], loaded[number]["load_ms"], warm[number]["first_ms"], settings.min_runs
            )
            accuracy = worker.call("accuracy")
            row["accuracy"] = {**accuracy, "loss_vs_full": None} if accuracy else None
            row["activation_peak_bytes"] = worker.call("activations")
        for target, row, track in zip(targets, rows, tracks, strict=True):
            index = reference(target, targets)
            if index is not None and rows[index] is not row:
                results.add_comparison(row, track, rows[index], tracks[index])
        progress(1.0, "done")
        return rows


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
    )
    return dict(state)
