"""`--device arm64`: 64-bit Arm, emulated. What the files answer there, and what cores should take for it."""

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgenet.bench import machine, results, subjects
from edgenet.bench.devices import prediction
from edgenet.bench.devices.base import Device, Progress, Settings
from edgenet.bench.devices.binaries import AARCH64, Binaries, find_binaries
from edgenet.bench.devices.emulator import LAST_PLUGIN_VERSION, Emulator, find_emulator
from edgenet.bench.devices.runner import LocalCarrier, RunnerProcess
from edgenet.bench.targets import Target, reference
from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession
from edgenet.tasks.held_out import HeldOut

# What runs depends on the core's instructions alone: the first two have the same, the third multiplies bytes as well.
_EMULATED = {"cortex-a72": ("cortex-a53", "cortex-a72"), "neoverse-n1": ("neoverse-n1",)}
_MOST_SAMPLES = 200
_ROW_SECONDS = 20.0
_LOAD_SECONDS = 4.0
# QEMU computes float32 arithmetic in software: so many multiply-adds a second on one core.
_EMULATED_MACS = 5e7
_LONG_SECONDS = 300.0


class Arm64Device(Device):
    """Arm's 64-bit Linux, emulated by QEMU on this machine.

    A row has `verified`, agreement with what the same file and path answer on this machine, accuracy on some of the
    samples, and `predicted`, of no core where QEMU is too new to count; what an emulator cannot tell, latency and
    resident memory, is null.
    """

    pattern = name = "arm64"
    description = "64-bit Arm, emulated: whether files answer as here, accuracy on some samples, predicted cycles"
    ignores = ("min_runs", "min_seconds")

    @classmethod
    def named(cls, name: str) -> "Arm64Device | None":
        return cls() if name == cls.name else None

    def environment(self, threads: int) -> dict[str, object]:
        emulator, binaries = find_emulator(), find_binaries(AARCH64)
        with RunnerProcess(_program(emulator, binaries, prediction.CORES[-1]), LocalCarrier(Path())) as process:
            there = process.call("describe")
        return {
            **machine.environment(1),
            **{key: there[key] for key in ("isa", "onnxruntime", "operators")},
            "cpu": _emulated(emulator),
            "cores": 1,
            "governor": None,
            "python": None,
        }

    def measure(self, paths: Sequence[str | Path], settings: Settings, progress: Progress) -> list[dict[str, Any]]:
        if settings.threads != 1 or settings.profile:
            raise EdgenetError("--device arm64 emulates one thread and no profile; leave --threads and --profile out.")
        emulator, binaries = find_emulator(), find_binaries(AARCH64)
        mca = prediction.find_mca() if emulator.plugin else None
        targets = self.collect(paths, settings, native=True)
        rows = [results.static_row(self.name, target) for target in targets]
        seconds = sum(_foretell(target, emulator) for target in targets)
        warning = f" (about {seconds / 60:.0f} minutes in all)" if seconds > _LONG_SECONDS else ""
        # Rows of the same samples are compared, so all have as many as there was time for in the first.
        counts: dict[Path | None, int] = {}
        with tempfile.TemporaryDirectory() as folder:
            for number, (target, row) in enumerate(zip(targets, rows, strict=True)):
                progress(number / len(targets), f"emulating {target.label}{warning}")
                _Emulation(target, settings, emulator, binaries, Path(folder), counts).fill(row, mca)
        for target, row in zip(targets, rows, strict=True):
            index = reference(target, targets)
            if index is not None and rows[index] is not row:
                results.add_losses(row, rows[index])
                for core, figures in row["predicted"]["cores"].items():
                    full = rows[index]["predicted"]["cores"][core]["cycles"]
                    figures["full_over_this"] = full / figures["cycles"]
        progress(1.0, "done")
        return rows


class _Emulation:
    """One file and path, run by the emulator."""

    def __init__(
        self,
        target: Target,
        settings: Settings,
        emulator: Emulator,
        binaries: Binaries,
        folder: Path,
        counts: dict[Path | None, int],
    ) -> None:
        self._target, self._emulator, self._binaries, self._folder = target, emulator, binaries, folder
        self._counts = counts
        self._shapes = {name: list(shape) for name, shape in settings.shapes.items()}
        self._inputs = str(settings.inputs) if settings.inputs else None
        self._load: dict[str, Any] = {
            "file": str(target.file), "native": target.native, "threads": 1, "cores": [], "shapes": self._shapes,
            "samples": str(target.samples) if target.samples else None,
            "encoder": str(target.encoder) if target.encoder else None, "inputs": self._inputs,
        }  # fmt: skip
        samples = target.samples if settings.accuracy and not settings.shapes and not settings.inputs else None
        self._held_out = HeldOut.load(samples) if samples else None

    def fill(self, row: dict[str, Any], mca: str | None) -> None:
        """Add what one emulated core answers, and with `mca` what all should take."""
        cores: dict[str, Any] = {}
        row["predicted"] = {"label": prediction.LABEL, "cores": cores}
        for emulated, alike in _EMULATED.items():
            counts = self._folder / "counts"
            with RunnerProcess(
                _program(self._emulator, self._binaries, emulated, counts), LocalCarrier(self._folder)
            ) as process:
                state = process.call("load", **self._load)
                if not cores:
                    row.update({key: state[key] for key in ("path", "input")})
                    self._compare(process, row)
                if mca is None:
                    return
                # The plugin counts for the last reply: a run that fills the caches and one that is timed.
                process.call("block", runs=1)
                process.finish()
            each = {block: count / 2 for block, count in prediction.read_counts(counts).items()}
            cores.update({core: prediction.predict(each, core, mca) for core in alike})

    def _compare(self, process: RunnerProcess, row: dict[str, Any]) -> None:
        """Add agreement with this machine, and accuracy, on as many samples as there is time for."""
        start = time.perf_counter()
        outputs = process.outputs()
        seconds = time.perf_counter() - start
        here = self._here()
        row["verified"] = {"agreement": None, "max_abs_error": None, "samples": 1, "against": "this machine"}
        if isinstance(here, subjects.SingleFile):
            expected = here.session.run(here.feeds.timed)
            pairs = zip(expected, outputs, strict=True)
            row["verified"]["max_abs_error"] = max(float(np.abs(a.astype(float) - b).max(initial=0)) for a, b in pairs)
        if self._held_out is None:
            return
        affordable = min(len(self._held_out), _MOST_SAMPLES, max(int(_ROW_SECONDS / seconds), here.fixed_batch or 1))
        count = self._counts.setdefault(self._target.samples, affordable)
        some = self._held_out.part(slice(0, count))
        said = process.answers(some)
        expected_answers = subjects.answers(some, here.fixed_batch, here.answers)
        same = [_alike(a, b) for a, b in zip(said, expected_answers, strict=True)]
        if same:
            row["verified"].update(agreement=float(np.mean(same)), samples=len(same))
            some = some.part(slice(0, len(same)))
            value = some.value(said)
            row["accuracy"] = {"metric": some.metric, "value": value, "samples": len(same), "loss_vs_full": None}

    def _here(self) -> "subjects.SingleFile | subjects.EncoderAndDecoder":
        """The same file and path on this machine."""
        target = self._target
        sessions = [InferenceSession(file, native=target.native) for file in target.files]
        if len(sessions) == 2:
            return subjects.EncoderAndDecoder(sessions[0], sessions[1], self._held_out)
        return subjects.SingleFile(sessions[0], self._held_out, self._shapes, self._inputs)


def _alike(first: Any, second: Any) -> bool:
    """Whether two answers are the same; likelihoods, which are rounded, to a thousandth."""
    if isinstance(first, float):
        return math.isclose(first, second, rel_tol=1e-3)
    return np.array_equal(first, second)


def _program(emulator: Emulator, binaries: Binaries, core: str, counts: Path | None = None) -> list[str]:
    return emulator.command(core, binaries.runner, binaries.onnxruntime, binaries.library, counts=counts)


def _emulated(emulator: Emulator) -> str:
    """What is emulated, and why no cycles are told where none are."""
    if emulator.plugin is not None:
        return f"emulated {', '.join(prediction.CORES)}"
    return (
        f"emulated {next(iter(_EMULATED))}, without instructions and cycles: what counts them runs in QEMU up to "
        f"version {LAST_PLUGIN_VERSION} (Debian 12 has 7.2), and this is {emulator.version}"
    )


def _foretell(target: Target, emulator: Emulator) -> float:
    """About how many seconds a row takes."""
    macs = target.inspection.macs or 0
    if target.native is False:
        macs += target.inspection.binary_macs or 0
    inference = macs / _EMULATED_MACS
    samples = max(_ROW_SECONDS, inference) if target.samples else 0.0
    counted = len(_EMULATED) * (_LOAD_SECONDS + 2 * inference) if emulator.plugin else _LOAD_SECONDS
    return counted + inference + samples
