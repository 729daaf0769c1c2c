"""`python -m benchmarks.models.row MODEL SCHEME FILE`: one network in one scheme, its figures written as JSON."""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from benchmarks.models.published import published
from edgenet.bench.inputs import random_feeds, resolve_shapes
from edgenet.bench.machine import environment
from edgenet.errors import EdgenetError
from edgenet.exporter import export, export_encoder_decoder
from edgenet.files import write_whole
from edgenet.models import create, example_inputs
from edgenet.models.encoder_decoder import EncoderDecoder
from edgenet.models.fitted import FittedNetwork
from edgenet.nn import BinaryLayer, calibrate
from edgenet.runtime import InferenceSession

_SAMPLES = 4
# A prime: means of whole numbers over so many samples are seldom whole, so that no sum stands on its threshold, where
# rounding would decide its sign.
_CALIBRATION = 31
_RUNS, _SECONDS = 5, 2.0


def measure(name: str, scheme: str) -> dict[str, Any]:
    """Build the network with untrained weights, run it in torch, export it, and run the file.

    Times are medians in milliseconds of one sample on one thread, of few runs: an indication, no measurement.
    """
    torch.manual_seed(0)
    torch.set_num_threads(1)
    started = time.monotonic()
    classes, options = published(name)
    model = create(name, classes, scheme, **options)
    batch = example_inputs(model, _SAMPLES)
    if scheme != "full":
        calibrate(model, example_inputs(model, _CALIBRATION))
    if isinstance(model, FittedNetwork):
        model.fit(iter([(batch[0], torch.arange(_SAMPLES) % classes)]))
    model.eval()
    one = tuple(part[:1] if isinstance(part, torch.Tensor) else part for part in batch)
    with torch.no_grad():
        outputs = model(*one)
        forward = _milliseconds(lambda: model(*one))
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    row = {
        "model": name,
        "scheme": scheme,
        "input": list(batch[0].shape[1:]),
        "classes": classes,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "binary_layers": sum(isinstance(module, BinaryLayer) for module in model.modules()),
        "finite": bool(first.isfinite().all()),
        "torch_ms": forward,
    }
    with tempfile.TemporaryDirectory() as folder:
        row |= _export(model, batch, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return row | {
        "peak_rss_bytes": peak,
        "seconds": round(time.monotonic() - started, 1),
        "environment": environment(1),
    }


def _export(model: nn.Module, batch: tuple[Any, ...], folder: Path) -> dict[str, Any]:
    """Size of the file or files, agreement by path, and the time of one sample in ONNX Runtime by path."""
    if isinstance(model, EncoderDecoder):
        return _export_pair(model, batch, folder)
    given = {"input": batch[0]} | ({"lengths": batch[-1]} if len(batch) > 1 else {})
    samples = given if len(batch) > 1 or not batch[0].is_floating_point() else None
    result = export(model, batch[0][:1], folder / "network.onnx", samples=samples)
    times = {}
    for path in result.agreement:
        session = InferenceSession(result.path, native=path == "native", threads=1)
        first = batch[0][:1].numpy()
        shapes = resolve_shapes(session.inputs, {"": list(first.shape)})
        # A state, where the file takes one, is made up.
        feeds = {**random_feeds(session.inputs, shapes), "input": first}
        run = session.run
        run(feeds)
        times[path] = _milliseconds(lambda run=run, feeds=feeds: run(feeds))  # type: ignore[misc]
    return {
        "file_bytes": result.file_bytes, "agreement": result.agreement, "max_abs_error": result.max_abs_error,
        "ort_ms": times,
    }  # fmt: skip


def _export_pair(model: EncoderDecoder, batch: tuple[Any, ...], folder: Path) -> dict[str, Any]:
    inputs, targets, *further = batch
    lengths = further[0] if further else None
    both = list(export_encoder_decoder(model, inputs, targets, folder, lengths=lengths).values())
    paths = set(both[0].agreement) | set(both[1].agreement)
    return {
        "file_bytes": sum(result.file_bytes for result in both),
        "agreement": {path: min(result.agreement.get(path, 1.0) for result in both) for path in paths},
        "max_abs_error": {path: max(result.max_abs_error.get(path, 0.0) for result in both) for path in paths},
        "ort_ms": None,  # of a whole string; edgenet bench measures it
    }


def _milliseconds(run: Callable[[], object]) -> float:
    times: list[float] = []
    end = time.perf_counter() + _SECONDS
    while len(times) < _RUNS and (not times or time.perf_counter() < end):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return round(1e3 * median(times), 3)


if __name__ == "__main__":
    model_name, scheme_name, file = sys.argv[1:]
    try:
        found = measure(model_name, scheme_name)
    except EdgenetError as error:
        found = {"model": model_name, "scheme": scheme_name, "error": str(error)}
    write_whole(file, json.dumps(found, indent=1) + "\n")
