"""Runs a C program on this machine, built by its C compiler, so that it can be compared with the .onnx file."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.microcontroller.graph import STEPS, Value
from edgenet.microcontroller.program import Program
from edgenet.microcontroller.samples import Feeds, as_c, steps_of
from edgenet.microcontroller.writing import can_refuse, write_folder

_FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fPIC", "-shared")


def find_compiler() -> str | None:
    """Return the C compiler: `CC`, cc, gcc or clang; None where there is none."""
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


class HostProgram:
    """A program as a function of this process.

    Raises:
        EdgenetError: there is no C compiler, or it refused the program.
    """

    def __init__(self, program: Program) -> None:
        compiler = find_compiler()
        if compiler is None:
            raise EdgenetError("there is no C compiler here; install one (Debian: apt-get install gcc)")
        self._program = program
        self._folder = tempfile.TemporaryDirectory(prefix="edgenet-")
        write_folder(program, self._folder.name)
        library, source = Path(self._folder.name, "network.so"), Path(self._folder.name, f"{program.name}.c")
        done = subprocess.run(
            [compiler, *_FLAGS, "-o", str(library), str(source), "-lm"], capture_output=True, text=True
        )
        if done.returncode:
            raise EdgenetError(f"{compiler} refused the C that was written: {done.stderr.strip()[:300]}")
        self._run = getattr(ctypes.CDLL(str(library)), f"{program.name}_run")

    def run(self, feeds: Feeds) -> list[NDArray[np.float32]]:
        """Run one sample.

        Args:
            feeds: an array for every input, by the .onnx file's name, with a batch of one.

        Raises:
            EdgenetError: the sequence has more steps than there is memory for, or a token is of no vocabulary.
        """
        graph = self._program.graph
        arrays = [as_c(feeds[value.name], value) for value in graph.inputs]
        steps = steps_of(graph, feeds)
        outputs = [np.full(_shape(value, steps), np.nan, np.float32) for value in graph.outputs]
        arguments: list[Any] = [_pointer(array) for array in arrays]
        arguments += [ctypes.c_int(steps)] if graph.has_steps else []
        code = self._run(*arguments, *map(_pointer, outputs))
        if can_refuse(self._program) and code:
            limits = [f"there is memory for {self._program.steps} steps"] if graph.has_steps else []
            limits += [f"{v.name} may be up to {v.vocabulary - 1}" for v in graph.inputs if v.vocabulary is not None]
            raise EdgenetError(f"the C refuses a sample of {steps} steps: {' and '.join(limits)}")
        return outputs

    def __enter__(self) -> "HostProgram":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()


def _shape(value: Value, steps: int) -> list[int]:
    return [steps if size == STEPS else size for size in value.shape]


def _pointer(array: NDArray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
