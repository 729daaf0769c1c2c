"""Devices that run ONNX Runtime: a worker process a row, timed in interleaved rounds."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgenet.bench import results
from edgenet.bench.devices.base import Device, Progress, Settings
from edgenet.bench.devices.launches import Launches
from edgenet.bench.devices.worker_process import WorkerProcess
from edgenet.bench.health import Clock, Health
from edgenet.bench.rounds import Track, measure
from edgenet.bench.targets import reference


class WorkerDevice(Device):
    """A device that can start processes which answer the requests of `edgenet.bench.worker`."""

    recording_copies = False
    """Whether a profile takes another copy of each model there, so that it is only made where one is asked for."""
    _launch_seconds = 0.0
    _clock = Clock()

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
    def health(self) -> Health:
        """Return how the device is now; what changes of it while it measures makes rows doubtful."""

    def learned(self) -> dict[str, object]:
        return {"governor": self._clock.governor}

    def measure(self, paths: Sequence[str | Path], settings: Settings, progress: Progress) -> list[dict[str, Any]]:
        targets = self.collect(paths, settings, native=self.native_available())
        before = self.health()
        rows = [results.static_row(self.name, target) for target in targets]
        flags: list[str] = []
        reached = 0.0

        def tell(fraction: float, text: str) -> None:
            nonlocal reached
            reached = max(reached, fraction)
            progress(reached, text)

        def tell_after_timing(fraction: float, text: str) -> None:
            # On several devices Ctrl-C is raised here, where it would take what was measured.
            with suppress(KeyboardInterrupt):
                tell(fraction, text)

        with Launches(targets, settings, self.start, self.cores, lambda text: tell(0.0, text)) as launches:

            def launch(window: int) -> tuple[list[WorkerProcess], list[float]]:
                flags.extend(before.changes(self.health(), launches.cores))
                return launches.next(window)

            references = [reference(target, targets) for target in targets]
            pairs = [(full, i) for i, full in enumerate(references) if full is not None and full != i]
            tracks = measure(
                launch,
                len(targets),
                pairs,
                min_runs=settings.min_runs,
                min_seconds=settings.min_seconds,
                progress=lambda fraction, text: tell(0.8 * fraction, text),
            )
            after, core = self.health(), next(iter(launches.cores), None)
            flags.extend(before.changes(after, launches.cores))
            self._clock = after.clock(core)
            conditions = {
                "cores": sorted(launches.cores),
                "warm_up_seconds": launches.warm_up_seconds,
                "before": before.stamp(core),
                "after": after.stamp(core),
            }
            self._launch_seconds = launches.overhead_seconds
            for number, (row, track) in enumerate(zip(rows, tracks, strict=True)):
                tell_after_timing(0.8 + 0.2 * number / len(targets), f"accuracy and memory of {targets[number].label}")
                self._add_figures(row, track, launches, number, settings)
        for full, i in pairs:
            results.add_comparison(rows[i], tracks[i], rows[full], tracks[full])
        paired = {number for numbers in pairs for number in numbers}
        for number, row in enumerate(rows):
            if number not in paired:
                results.judge_latency(row)
            row["conditions"] = conditions
            row["flags"].extend(dict.fromkeys(flags))
        tell_after_timing(1.0, "done")
        return rows

    def _add_figures(
        self, row: dict[str, Any], track: Track, launches: Launches, number: int, settings: Settings
    ) -> None:
        row.update(launches.figures(number))
        results.add_work(row, launches.targets[number], launches.shapes(number))
        load_ms, first_ms = launches.start_up_ms(number)
        results.add_latency(row, track, load_ms, first_ms)
        worker = launches.workers[number]
        accuracy = worker.call("accuracy") if settings.accuracy else None
        row["accuracy"] = {**accuracy, "loss_vs_full": None} if accuracy else None
        if settings.profile or not self.recording_copies:
            row["activation_peak_bytes"] = worker.call("activations")
        if settings.profile:
            row["profile"] = worker.call("profile")
