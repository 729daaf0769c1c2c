"""Measures run folders and .onnx files: size, memory, latency, speedup, accuracy, each row from one file."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edgenet.bench import results
from edgenet.bench.devices import Device, WorkerProcess, get_device
from edgenet.bench.rounds import Progress, measure
from edgenet.bench.targets import Target, collect, reference
from edgenet.errors import EdgenetError

MIN_RUNS = 50
MIN_SECONDS = 3.0


def run(
    targets: Sequence[str | Path],
    device: str | Device = "cpu",
    *,
    threads: int = 1,
    min_runs: int = MIN_RUNS,
    min_seconds: float = MIN_SECONDS,
    shapes: Mapping[str, Sequence[int]] | None = None,
    command: Sequence[str] = (),
    seed: int | None = None,
    progress: Progress = lambda fraction, text: None,
) -> dict[str, Any]:
    """Measure and return the result (see `edgenet.bench.results`).

    Args:
        targets: run folders and .onnx files. A file with `edgenet` nodes gives a native row, where the device has the
            operator library, and a portable one.
        device: what `edgenet devices` lists, or a Device.
        threads: threads of ONNX Runtime within an operator.
        min_runs: least number of undisturbed runs of every row.
        min_seconds: least time of undisturbed runs of every row, in seconds.
        shapes: input shapes by name, the empty name for the first input; with them accuracy is left out.
        command: what the user typed, for the record.
        seed: the seed of the training, for the record.
        progress: called with the fraction done and what is being done.

    Raises:
        EdgenetError: a target is missing or cannot run, there is no such device, or a figure is out of range.
    """
    if min_runs < 1 or min_seconds <= 0:
        raise EdgenetError(f"min_runs is {min_runs} and min_seconds is {min_seconds}; both must be above 0.")
    if threads < 1:
        raise EdgenetError(f"threads is {threads}; give 1 or more.")
    place = get_device(device) if isinstance(device, str) else device
    shapes = dict(shapes or {})
    rows_wanted = collect(targets, native=place.native_available(), shapes=shapes)
    throttled = place.throttle_count()
    environment = place.environment(threads)
    with ExitStack() as stack:
        workers = [stack.enter_context(place.start()) for _ in rows_wanted]
        rows = _measure_rows(place, rows_wanted, workers, threads, shapes, min_runs, min_seconds, progress)
    if place.throttle_count() > throttled:
        for row in rows:
            row["flags"].append("throttled: the CPU slowed down for heat")
    for row in rows:
        row["valid"] = not row["flags"]
    return results.new_result(rows, {place.name: environment}, list(command), seed)


def _measure_rows(
    device: Device,
    targets: list[Target],
    workers: list[WorkerProcess],
    threads: int,
    shapes: Mapping[str, Sequence[int]],
    min_runs: int,
    min_seconds: float,
    progress: Progress,
) -> list[dict[str, Any]]:
    rows = [results.static_row(device.name, target) for target in targets]
    cores = device.cores(threads)
    loaded, warm = [], []
    for number, (target, worker, row) in enumerate(zip(targets, workers, rows, strict=True)):
        progress(0.1 * number / len(targets), f"loading {target.label}")
        loaded.append(_load(worker, target, threads, cores, shapes))
        warm.append(worker.call("warm_up", seconds=min(0.3, min_seconds / 5)))
        row.update({key: loaded[-1][key] for key in ("path", "input", "rss_load_peak_bytes")})
        row["rss_run_bytes"] = warm[-1]["rss_run_bytes"]
    tracks = measure(
        workers,
        [state["run_ms"] for state in warm],
        min_runs=min_runs,
        min_seconds=min_seconds,
        progress=lambda fraction, text: progress(0.1 + 0.7 * fraction, text),
    )
    for number, (target, worker, row) in enumerate(zip(targets, workers, rows, strict=True)):
        progress(0.8 + 0.2 * number / len(targets), f"accuracy and memory of {target.label}")
        results.add_latency(row, tracks[number], loaded[number]["load_ms"], warm[number]["first_ms"], min_runs)
        accuracy = worker.call("accuracy")
        row["accuracy"] = {**accuracy, "loss_vs_full": None} if accuracy else None
        row["activation_peak_bytes"] = worker.call("activations")
    for target, row, track in zip(targets, rows, tracks, strict=True):
        index = reference(target, targets)
        if index is not None and rows[index] is not row:
            results.add_comparison(row, track, rows[index], tracks[index])
    progress(1.0, "done")
    return rows


def _load(
    worker: WorkerProcess, target: Target, threads: int, cores: list[int], shapes: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    state = worker.call(
        "load",
        file=str(target.file),
        native=target.native,
        threads=threads,
        cores=cores,
        shapes={name: list(shape) for name, shape in shapes.items()},
        samples=str(target.samples) if target.samples else None,
        encoder=str(target.encoder) if target.encoder else None,
    )
    return dict(state)
