"""One model in one process, driven by JSON lines: `python -m edgenet.bench.worker` reads requests, writes replies.

    {"do": "load", "file", "native", "threads", "cores", "shapes", "samples", "encoder", "inputs"}
        -> {"path", "load_ms", "rss_load_peak_bytes", "input", "shapes": {name: sizes} | null}
    {"do": "warm_up", "seconds"}  -> {"first_ms", "run_ms", "rss_run_bytes"}
    {"do": "block", "runs"}
        -> {"times_ms": [...], "disturbed": null | sentence, "company": other cores at work, "energy_mj": a run | null}
    {"do": "accuracy"}            -> {"metric", "value", "samples"} | null
    {"do": "activations"}         -> bytes | null
    {"do": "profile"}             -> [{"layer", "operator", "ms", ...}, ...] | null, see `edgenet.bench.profiling`

A reply is {"ok": value} or {"error": sentence}; the process ends with its standard input.
"""

# ruff: noqa: E402
# Memory is counted above a process that has only imported ONNX Runtime, so that comes first.
import onnxruntime  # noqa: F401

from edgenet.bench import memory

_BASELINE = memory.resident_bytes()

import gc
import json
import os
import sys
import time
from typing import IO, TYPE_CHECKING, Any

from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession, one_core_each

if TYPE_CHECKING:
    from edgenet.bench.subjects import EncoderAndDecoder, SingleFile
    from edgenet.tasks.held_out import HeldOut


class Worker:
    """The state between requests; every public method but `serve` answers one of them."""

    def load(
        self,
        file: str,
        native: bool | None,
        threads: int,
        cores: list[int],
        shapes: dict[str, list[int]],
        samples: str | None,
        encoder: str | None = None,
        inputs: str | None = None,
    ) -> dict[str, object]:
        own_cores = cores[:threads] if len(cores) >= threads > 1 else []
        if cores:
            os.sched_setaffinity(0, own_cores[:1] or cores)
        gc.collect()
        memory.reset_peak()
        start = time.perf_counter()
        sessions = [
            InferenceSession(part, native=native, threads=threads, options=one_core_each(own_cores))
            for part in ([file] if encoder is None else [encoder, file])
        ]
        load_ms = (time.perf_counter() - start) * 1e3
        peak = memory.peak_resident_bytes() - _BASELINE
        loaded = memory.resident_bytes()
        # Imported only now, so that the meters do not count themselves.
        from edgenet.bench.energy import EnergyMeter
        from edgenet.bench.machine import BlockTimer

        self._energy = EnergyMeter()
        self._files, self._native = [file] if encoder is None else [encoder, file], native
        self._timer = BlockTimer(cores, threads)
        self._prepare(sessions, shapes, samples, inputs)
        # What the meters and making up inputs took (numpy's random numbers, samples) is no memory of the model.
        self._not_the_model = _BASELINE + memory.resident_bytes() - loaded
        return {
            "path": sessions[-1].path,
            "load_ms": load_ms,
            "rss_load_peak_bytes": peak,
            "input": self._subject.input_shape,
            "shapes": self._subject.shapes,
        }

    def _prepare(
        self, sessions: list[InferenceSession], shapes: dict[str, list[int]], samples: str | None, inputs: str | None
    ) -> None:
        from edgenet.bench import subjects

        self._held_out: HeldOut | None = None
        if samples is not None and not shapes and inputs is None:
            from edgenet.tasks import held_out

            self._held_out = held_out.HeldOut.load(samples)
        self._subject: SingleFile | EncoderAndDecoder
        if len(sessions) == 2:
            self._subject = subjects.EncoderAndDecoder(sessions[0], sessions[1], self._held_out)
        else:
            self._subject = subjects.SingleFile(sessions[0], self._held_out, shapes, inputs)
        self._once = self._subject.once()

    def warm_up(self, seconds: float) -> dict[str, object]:
        with self._subject.explained():
            first_ms = self._time_one()
        # ResNet-18 takes some three runs until its memory pattern and caches stand.
        times: list[float] = []
        end = time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            times.append(self._time_one())
        rss_run = memory.resident_bytes() - self._not_the_model
        return {"first_ms": first_ms, "run_ms": sorted(times)[len(times) // 2], "rss_run_bytes": rss_run}

    def _time_one(self) -> float:
        start = time.perf_counter_ns()
        self._once()
        return (time.perf_counter_ns() - start) / 1e6

    def block(self, runs: int) -> dict[str, object]:
        # The model before us in the round has emptied the caches.
        self._once()
        self._energy.millijoules()
        block = self._timer.run(self._once, runs, self._energy.sample)
        used = self._energy.millijoules()
        energy = None if used is None else used / runs
        return {
            "times_ms": block.times_ms,
            "disturbed": block.disturbance,
            "company": block.company,
            "energy_mj": energy,
        }

    def accuracy(self) -> dict[str, object] | None:
        if self._held_out is None:
            return None
        from edgenet.bench.subjects import accuracy

        return accuracy(self._held_out, self._subject.fixed_batch, self._subject.answers)

    def activations(self) -> int | None:
        # onnx is not needed before, and would count as memory of the model.
        from edgenet.bench.activations import peak_bytes

        files = zip(self._files, self._subject.feeds_by_file(), strict=True)
        peaks = [peak_bytes(file, self._native, feeds) for file, feeds in files]
        return None if None in peaks else max(peak for peak in peaks if peak is not None)

    def profile(self) -> list[dict[str, object]] | None:
        from edgenet.bench.profiling import profile

        files = zip(self._files, self._subject.feeds_by_file(), self._subject.runs_by_file, strict=True)
        return profile(
            [(part, file, feeds, runs) for part, (file, feeds, runs) in zip(self._subject.parts, files, strict=True)],
            self._native,
        )

    def serve(self, requests: IO[str], replies: IO[str]) -> None:
        for line in requests:
            request: dict[str, Any] = json.loads(line)
            try:
                reply = {"ok": getattr(self, request.pop("do"))(**request)}
            except EdgenetError as error:
                reply = {"error": str(error)}
            replies.write(json.dumps(reply) + "\n")
            replies.flush()


def main() -> None:
    # Whatever a library prints must not get between the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    Worker().serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
