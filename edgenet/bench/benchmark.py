"""Measures run folders and .onnx files: size, memory, latency, speedup, accuracy, each row from one file."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edgenet.bench import results
from edgenet.bench.devices.base import MIN_RUNS, MIN_SECONDS, Device, Progress, Settings
from edgenet.bench.devices.registry import get_device
from edgenet.bench.inputs import SEED
from edgenet.bench.quantizing import quantizer
from edgenet.bench.targets import SAMPLES
from edgenet.bench.together import on_each
from edgenet.errors import EdgenetError


def run(
    targets: Sequence[str | Path],
    devices: str | Device | Sequence[str | Device] = "cpu",
    *,
    threads: int = 1,
    min_runs: int = MIN_RUNS,
    min_seconds: float = MIN_SECONDS,
    shapes: Mapping[str, Sequence[int]] | None = None,
    inputs: str | Path | None = None,
    accuracy: bool = True,
    profile: bool = False,
    quantize: str | None = None,
    command: Sequence[str] = (),
    seed: int | None = None,
    progress: Progress = lambda fraction, text: None,
) -> dict[str, Any]:
    """Measure and return the result (see `edgenet.bench.results`).

    Args:
        targets: run folders and .onnx files. A file with `edgenet` nodes gives a native row, where the device has the
            operator library, and a portable one.
        devices: what `edgenet devices` lists, or Devices; several measure at the same time, and those that fail are
            named in the result's `failures`, with a sentence each.
        threads: threads of ONNX Runtime within an operator.
        min_runs: least number of undisturbed runs of every row.
        min_seconds: least time of undisturbed runs of every row, in seconds.
        shapes: input shapes by name, the empty name for the first input; with them accuracy is left out.
        inputs: an .npz file of arrays by input name to run on; with it accuracy is left out.
        accuracy: whether to measure accuracy where a file has samples beside it.
        profile: whether to say where the time goes, operator by operator.
        quantize: `int8` adds ONNX Runtime's own 8-bit version of every full-precision file as a row.
        command: what the user typed, for the record.
        seed: the seed of the training, for the record; left out, that of made-up inputs where there are any.
        progress: called with the fraction done and what is being done.

    Raises:
        EdgenetError: there is no such device, or a figure is out of range; or on each of the devices a target is
            missing or cannot run, or the device cannot be used.
    """
    if min_runs < 1 or min_seconds <= 0:
        raise EdgenetError(f"min_runs is {min_runs} and min_seconds is {min_seconds}; both must be above 0.")
    if threads < 1:
        raise EdgenetError(f"threads is {threads}; give 1 or more.")
    named = [devices] if isinstance(devices, str | Device) else devices
    places = [get_device(device) if isinstance(device, str) else device for device in dict.fromkeys(named)]
    with ExitStack() as stack:
        for place in places:
            stack.callback(place.close)
        settings = Settings(
            threads, min_runs, min_seconds, dict(shapes or {}),
            inputs=Path(inputs) if inputs else None, accuracy=accuracy, profile=profile,
            quantize=stack.enter_context(quantizer(quantize, shapes, inputs)) if quantize else None,
        )  # fmt: skip

        def measure(place: Device, tell: Progress) -> tuple[dict[str, object], list[dict[str, Any]]]:
            environment = place.environment(threads)
            rows = place.measure(targets, settings, tell)
            return {**environment, **place.learned()}, rows

        measured, failures = on_each(places, measure, progress)
    environments = {name: environment for name, (environment, _) in measured.items()}
    rows = [row for _, rows in measured.values() for row in rows]
    for row in rows:
        row["valid"] = not row["flags"]
    folders = [path if path.is_dir() else path.parent for path in map(Path, targets)]
    sampled = not shapes and all((folder / SAMPLES).is_file() for folder in folders)
    if seed is None and inputs is None and not sampled:
        seed = SEED
    return results.new_result(rows, environments, list(command), seed, failures)
