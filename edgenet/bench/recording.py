"""What ONNX Runtime tells of a model that it runs: the events of its profile, and the graph that it made of the model.

The same on a board is `export/runner/profile.cpp`.
"""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx

from edgenet.runtime import InferenceSession

Event = Mapping[str, Any]
Recording = tuple[Sequence[Event], onnx.GraphProto]
"""Events with `name`, `ts` and `dur` (in microseconds), `model_run` and one `..._kernel_time` a node among them; and
the graph, whose larger weights may be left out."""
KERNEL = "_kernel_time"
"""What ends the name of a node's event."""


@dataclass(frozen=True)
class Runs:
    """How often a model runs under a profile, after a first time that does not count."""

    seconds: float
    """For about so long,"""
    least: int
    """but so often at least,"""
    most: int
    """and at most."""
    shapes: bool = False
    """Whether the events of nodes must tell the shapes of what these give, `args["output_type_shape"]`."""

    def count(self, seconds: float) -> int:
        """Return the number of runs where one takes so long."""
        return max(self.least, min(int(self.seconds / seconds), self.most))


class Recorder(Protocol):
    """What runs a model under a profile: on this machine, or elsewhere."""

    def __call__(self, model: bytes, native: bool | None, feeds: Mapping[str, np.ndarray], runs: Runs) -> Recording:
        """Run a model, in a session of its own; the first of its `model_run` events is the one that does not count."""


def record(model: bytes, native: bool | None, feeds: Mapping[str, np.ndarray], runs: Runs) -> Recording:
    """Run a model under ONNX Runtime's profile on this machine; see `Recorder`."""
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        options = {
            "enable_profiling": True,
            "profile_file_prefix": str(Path(folder) / "profile"),
            "optimized_model_filepath": str(optimized),
            "session.optimized_model_external_initializers_file_name": "weights.bin",
            "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
        }
        session = InferenceSession(model, native=native, options=options)
        session.run(feeds)
        start = time.perf_counter()
        session.run(feeds)
        for _ in range(runs.count(time.perf_counter() - start) - 1):
            session.run(feeds)
        events = json.loads(Path(session.ort.end_profiling()).read_text())
        return events, onnx.load(optimized, load_external_data=False).graph


def model_runs(events: Sequence[Event]) -> list[Event]:
    """The events of whole runs, in order."""
    return sorted((event for event in events if event.get("name") == "model_run"), key=lambda event: event["ts"])


def within_run(run: Event, events: Sequence[Event]) -> list[Event]:
    """The events of nodes within a run, as they began; one within another comes behind it."""
    end = run["ts"] + run["dur"]
    inside = [event for event in events if event.get("name", "").endswith(KERNEL) and run["ts"] <= event["ts"] < end]
    return sorted(inside, key=lambda event: (event["ts"], -event["dur"]))
