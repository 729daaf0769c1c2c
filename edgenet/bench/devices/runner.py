"""The near end of what is said to `edgenet-runner`, which measures where there is no Python (export/runner)."""

import base64
import dataclasses
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgenet.bench import subjects
from edgenet.bench.activations import peak_bytes
from edgenet.bench.devices.worker_process import WorkerProcess
from edgenet.bench.profiling import Part, profile
from edgenet.bench.recording import Recording, Runs
from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.runtime import InferenceSession
from edgenet.runtime.session import read_metadata
from edgenet.tasks.held_out import HeldOut

# ONNX's numbers of element types, with numpy's names and those that ONNX Runtime describes inputs by.
_TYPES = {
    1: ("float32", "float"), 2: ("uint8", "uint8"), 3: ("int8", "int8"), 4: ("uint16", "uint16"), 5: ("int16", "int16"),
    6: ("int32", "int32"), 7: ("int64", "int64"), 8: ("", "string"), 9: ("bool", "bool"), 10: ("float16", "float16"),
    11: ("float64", "double"), 12: ("uint32", "uint32"), 13: ("uint64", "uint64"),
}  # fmt: skip
_NUMBERS = {name: number for number, (name, _) in _TYPES.items() if name}
_ALIGNMENT = 64


class Carrier(ABC):
    """What brings files to where the runner runs."""

    @abstractmethod
    def model(self, file: Path) -> str:
        """Bring an .onnx file there, with the files of its weights if it has such; return its path there."""

    @abstractmethod
    def content(self, content: bytes) -> str:
        """Bring a file of this content there; return its path there."""


class LocalCarrier(Carrier):
    """For a runner on this machine, or one emulated on it: files stay where they are, contents go into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def model(self, file: Path) -> str:
        return str(file.resolve())

    def content(self, content: bytes) -> str:
        path = self._folder / hashlib.sha256(content).hexdigest()
        if not path.exists():
            write_whole(path, content)
        return str(path)


@dataclasses.dataclass(frozen=True)
class Input:
    """An input of a graph, as `onnxruntime.NodeArg`."""

    name: str
    shape: list[int | str | None]
    type: str

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "Input":
        kind = f"tensor({_TYPES[described['type']][1]})" if described["type"] in _TYPES else "value of another type"
        return cls(described["name"], described["shape"], kind)


class RunnerProcess(WorkerProcess):
    """A runner that takes the requests of `edgenet.bench.worker`.

    What is fed comes from here, and the answers are judged here, with the same code.
    """

    def __init__(
        self,
        command: list[str],
        carrier: Carrier,
        environment: dict[str, str] | None = None,
        reply_seconds: float | None = None,
    ) -> None:
        super().__init__(command, environment, reply_seconds)
        self._carrier = carrier

    def call(self, request: str, **arguments: Any) -> Any:
        if request == "load":
            return self._load(**arguments)
        if request == "accuracy":
            return self._accuracy()
        if request == "profile":
            return profile(self._parts(), self._native, self._record)
        if request == "activations":
            peaks = [peak_bytes(file, self._native, feeds, self._record) for _, file, feeds, _ in self._parts()]
            return None if None in peaks else max(peak for peak in peaks if peak is not None)
        return super().call(request, **arguments)

    def _load(
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
        self._files, self._native = [file] if encoder is None else [encoder, file], native
        there = [self._carrier.model(Path(part)) for part in self._files]
        state = super().call("load", files=there, native=bool(native), threads=threads, cores=cores)
        if native and not state["kernels"]:
            raise EdgenetError(
                f"{file} was to run natively, but ONNX Runtime made none of the library's kernels for it."
            )
        self._pair = encoder is not None
        self._optional = state["optional"]
        self._held_out = _held_out(samples) if samples is not None and not shapes and inputs is None else None
        if self._pair:
            sample = subjects.need_samples(self._held_out).typical()
            shape, self._fixed = list(sample.inputs.shape), None
            self._feed({"input": sample.inputs}, begin=sample.begin, steps=sample.targets.shape[1] - 1)
        else:
            graph = [Input.of(described) for described in state["inputs"]]
            feeds = subjects.SampleFeeds(graph, self._optional, _metadata(file), self._held_out, shapes, inputs)
            self._feeds, shape, self._fixed = feeds, feeds.input_shape, feeds.fixed_batch
            self._feed(feeds.timed)
        path = "plain" if native is None else "native" if native else "portable"
        return {
            "path": path,
            "load_ms": state["load_ms"],
            "rss_load_peak_bytes": state["rss_load_peak_bytes"],
            "input": shape,
            "shapes": None if self._pair else self._feeds.shapes,
        }

    def _feed(self, feeds: Mapping[str, np.ndarray], **arguments: int) -> None:
        content, (tensors,) = pack([feeds])
        super().call("feed", file=self._carrier.content(content), tensors=tensors, **arguments)

    def _accuracy(self) -> dict[str, object] | None:
        if self._held_out is None:
            return None
        return subjects.accuracy(self._held_out, self._fixed, self._say if self._pair else self._answer)

    def _parts(self) -> list[Part]:
        """What is profiled."""
        if not self._pair:
            return [("", self._files[0], self._feeds.timed, 1)]
        # What the encoder gives, the decoder takes: here, as its shapes are what matters.
        encoder, decoder = (InferenceSession(file, native=False) for file in self._files)
        pair = subjects.EncoderAndDecoder(encoder, decoder, self._held_out)
        return list(zip(pair.parts, self._files, pair.feeds_by_file(), pair.runs_by_file, strict=True))

    def _record(self, model: bytes, native: bool | None, feeds: Mapping[str, np.ndarray], runs: Runs) -> Recording:
        """Run a model there under ONNX Runtime's profile, as `edgenet.bench.recording.record` does here."""
        content, (tensors,) = pack([feeds])
        there, file = self._carrier.content(model), self._carrier.content(content)
        recorded = super().call(
            "profile", model=there, native=bool(native), file=file, tensors=tensors, **dataclasses.asdict(runs)
        )
        return recorded["events"], onnx.load_model_from_string(base64.b64decode(recorded["graph"])).graph

    def answers(self, held_out: HeldOut) -> list[Any]:
        """Return the answers of the model that has been loaded, as `edgenet.bench.subjects.answers`."""
        return subjects.answers(held_out, self._fixed, self._say if self._pair else self._answer)

    def outputs(self) -> list[np.ndarray]:
        """Return what the model that has been loaded makes of what is timed; of an encoder and decoder nothing."""
        if self._pair:
            super().call("block", runs=1)
            return []
        content, (tensors,) = pack([self._feeds.timed])
        return [unpack(output) for output in super().call("run", file=self._carrier.content(content), tensors=tensors)]

    def _answer(self, parts: list[HeldOut], most_steps: int) -> list[Any]:
        from edgenet.runtime.answers import read_answers

        content, tensors = pack([self._feeds.of(part) for part in parts])
        file = self._carrier.content(content)
        answers: list[Any] = []
        for part, described in zip(parts, tensors, strict=True):
            outputs = [unpack(output) for output in super().call("run", file=file, tensors=described)]
            answers += read_answers(part.task, outputs, part.lengths, part.targets)
        return answers

    def _say(self, parts: list[HeldOut], most_steps: int) -> list[Any]:
        feeds = [
            {"input": part.inputs, **({"lengths": part.lengths} if "lengths" in self._optional else {})}
            for part in parts
        ]
        content, tensors = pack(feeds)
        file = self._carrier.content(content)
        said: list[list[int]] = []
        for part, described in zip(parts, tensors, strict=True):
            said += super().call("decode", file=file, tensors=described, begin=part.begin, steps=most_steps)
            said[-len(part) :] = [_until(tokens, part.end) for tokens in said[-len(part) :]]
        return said


def pack(batches: Sequence[Mapping[str, Any]]) -> tuple[bytes, list[list[dict[str, object]]]]:
    """Return the bytes of arrays one after another, and of each batch where its arrays lie, as the runner takes them.

    Raises:
        EdgenetError: an array is of a type that ONNX lacks.
    """
    pieces: list[bytes] = []
    described: list[list[dict[str, object]]] = []
    offset = 0
    for feeds in batches:
        tensors: list[dict[str, object]] = []
        for name, array in feeds.items():
            number = _NUMBERS.get(array.dtype.name)
            if number is None:
                raise EdgenetError(f"Input {name!r} is of type {array.dtype}, which ONNX has not.")
            tensors.append({"name": name, "type": number, "shape": list(array.shape), "offset": offset})
            content = array.tobytes()
            pieces += [content, bytes(-len(content) % _ALIGNMENT)]
            offset += len(content) + len(pieces[-1])
        described.append(tensors)
    return b"".join(pieces), described


def unpack(described: Mapping[str, Any]) -> np.ndarray:
    """Return a tensor of a reply as an array."""
    content = base64.b64decode(described["data"])
    return np.frombuffer(content, _TYPES[described["type"]][0]).reshape(described["shape"])


def _held_out(samples: str) -> HeldOut:
    # Every window loads the models anew.
    return _read_held_out(samples, os.stat(samples).st_mtime_ns)


@lru_cache(maxsize=2)
def _read_held_out(samples: str, changed: int) -> HeldOut:
    return HeldOut.load(samples)


def _metadata(file: str) -> dict[str, Any]:
    properties = onnx.load(file, load_external_data=False).metadata_props
    return read_metadata({entry.key: entry.value for entry in properties})


def _until(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end)] if end in tokens else tokens
