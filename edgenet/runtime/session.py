"""A thin layer over `onnxruntime.InferenceSession` that registers the operator library and says what really runs."""

import os
from _thread import allocate_lock
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from edgenet.errors import EdgenetError
from edgenet.runtime import library
from edgenet.runtime.scan import count_operator_nodes

METADATA_PREFIX = "edgenet."

ORT_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(value for value in vars(states).values() if isinstance(value, type) and issubclass(value, Exception)),
)
# Kernels are counted a process, so no other session may be made between the two looks at the counter.
_counting = allocate_lock()


class InferenceSession:
    """Run an ONNX file, with native kernels for its `edgenet` nodes where the operator library is at hand.

    Args:
        model: path of an .onnx file, or its bytes.
        native: None uses the operator library if it is here and the file has `edgenet` nodes; True insists on it;
            False runs the file's own functions (the portable path).
        threads: threads of ONNX Runtime within an operator, 1 or more.
        options: attributes of `onnxruntime.SessionOptions` by name, or session configuration entries (names with a
            dot, as `session.disable_prepacking`) with their values. All graph optimisations are on by default.

    Raises:
        EdgenetError: the file is missing or no valid ONNX model, an option is unknown, or native=True cannot be had.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        native: bool | None = None,
        threads: int = 1,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = "the model" if isinstance(model, bytes) else str(model)
        if not isinstance(model, bytes):
            model = os.fspath(model)
            if not os.path.isfile(model):
                raise EdgenetError(f"{model} is not a file; give the path of an .onnx file.")
        self._nodes = count_operator_nodes(model)
        reason = library.why_portable() if native is not False and self._nodes else None
        if native and reason:
            raise EdgenetError(f"{self._name} was to run natively: {reason}")
        session_options = _session_options(threads, options or {})
        with _counting:
            before = library.kernels_created() if self._nodes else 0
            try:
                if self._nodes and native is not False and reason is None:
                    session_options.register_custom_ops_library(library.find())
                self.ort = onnxruntime.InferenceSession(model, session_options, providers=["CPUExecutionProvider"])
            except ORT_ERRORS as error:
                raise EdgenetError(f"{self._name} cannot be loaded: {one_line(error)}") from error
            self._kernels = library.kernels_created() - before if self._nodes else 0
        if native and self._nodes and not self._kernels:
            raise EdgenetError(
                f"{self._name} was to run natively, but ONNX Runtime {onnxruntime.__version__} made none of the "
                f"library's kernels for its {self._nodes} edgenet nodes; see edgenet doctor."
            )

    @property
    def path(self) -> Literal["native", "portable", "plain"]:
        """What runs: `native` kernels, the file's own functions (`portable`), or no `edgenet` nodes at all (`plain`).

        Read off the library's count of kernels made for this session, not off what was asked for.
        """
        if not self._nodes:
            return "plain"
        return "native" if self._kernels else "portable"

    @property
    def native_kernels(self) -> int:
        """How many native kernels ONNX Runtime made for this session."""
        return self._kernels

    @property
    def operator_nodes(self) -> int:
        """How many nodes of the domain `edgenet` the file has."""
        return self._nodes

    @property
    def metadata(self) -> dict[str, Any]:
        """What the exporter wrote into the file, by key without its prefix `edgenet.`; lists and objects decoded."""
        return read_metadata(self.ort.get_modelmeta().custom_metadata_map)

    @property
    def inputs(self) -> list[Any]:
        """The graph's inputs, each with `.name`, `.shape` (int, or str for a dynamic size) and `.type`."""
        return list(self.ort.get_inputs())

    @property
    def outputs(self) -> list[Any]:
        """The graph's outputs, each with `.name`, `.shape` and `.type`."""
        return list(self.ort.get_outputs())

    def run(self, feeds: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> list[np.ndarray]:
        """Run the network once.

        Args:
            feeds: an array for every input, by name.
            outputs: names of the outputs wanted; None for all, in the graph's order.

        Returns:
            The outputs, in the order asked for.

        Raises:
            EdgenetError: an input is missing, unknown, or of the wrong type or shape.
        """
        try:
            return list(self.ort.run(None if outputs is None else list(outputs), dict(feeds)))
        except ORT_ERRORS as error:
            raise EdgenetError(f"{self._name} cannot run on these inputs: {one_line(error)}") from error


def read_metadata(properties: Mapping[str, str]) -> dict[str, Any]:
    """What the exporter wrote among a model's properties, as `InferenceSession.metadata`."""
    return {
        key.removeprefix(METADATA_PREFIX): _decoded(value)
        for key, value in properties.items()
        if key.startswith(METADATA_PREFIX)
    }


def one_line(error: BaseException) -> str:
    """Return an exception's message on one line, without ONNX Runtime's own prefix and source positions."""
    text = " ".join(str(error).split())
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
    return text


def one_core_each(cores: Sequence[int]) -> dict[str, str]:
    """Return session options that give each thread of ONNX Runtime but the caller's a core of its own.

    Threads that share a core wait for each other for many runs before the system moves one. The caller, who works as
    well, should be on the first core (`os.sched_setaffinity`).

    Args:
        cores: as many as the session has threads.
    """
    # ONNX Runtime counts cores from 1.
    return {"session.intra_op_thread_affinities": ";".join(str(core + 1) for core in cores[1:])} if cores[1:] else {}


def _session_options(threads: int, options: Mapping[str, Any]) -> onnxruntime.SessionOptions:
    if threads < 1:
        raise EdgenetError(f"threads is {threads}; give 1 or more.")
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = threads
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = 3
    session_options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    for name, value in options.items():
        if "." in name:
            session_options.add_session_config_entry(name, str(value))
        elif hasattr(session_options, name):
            try:
                setattr(session_options, name, value)
            except TypeError as error:
                raise EdgenetError(f"Session option {name!r} cannot be {value!r}.") from error
        else:
            raise EdgenetError(f"ONNX Runtime has no session option {name!r}; see onnxruntime.SessionOptions.")
    return session_options


def _decoded(value: str) -> Any:
    if not value.startswith(("[", "{")):
        return value
    # Imported late: what a session imports counts as memory of the model on a small device.
    import json

    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
