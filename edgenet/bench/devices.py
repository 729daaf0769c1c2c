"""Where models are measured. A device stamps its environment and starts workers, one process a model."""

import json
import os
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any

import edgenet
from edgenet.bench import machine
from edgenet.errors import EdgenetError


class WorkerProcess:
    """The near end of `edgenet.bench.worker`: a request is a call, an error there is an EdgenetError here."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self._messages = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._unread = 0
        # A session of its own, so that Ctrl-C reaches us alone and what was measured can be kept.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def call(self, request: str, **arguments: Any) -> Any:
        """Send a request and wait for its reply.

        Raises:
            EdgenetError: the worker refused, or died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": request, **arguments}) + "\n")
            self._process.stdin.flush()
            # Ctrl-C may have left the reply to an earlier request behind.
            self._unread += 1
            while self._unread:
                reply = self._process.stdout.readline()
                self._unread -= 1
        except BrokenPipeError:
            reply = ""
        if not reply:
            raise EdgenetError(
                f"The process that was to {request.replace('_', ' ')} a model died: {self._last_words()}"
            )
        answer = json.loads(reply)
        if "error" in answer:
            raise EdgenetError(answer["error"])
        return answer["ok"]

    def _last_words(self) -> str:
        code = self._process.wait()
        self._messages.seek(0)
        lines = [line for line in self._messages.read().splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {code}, with no message; too little memory is a common cause."

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._messages):
            if stream is not None:
                stream.close()


class Device(ABC):
    """A place to measure on."""

    name: str
    description: str

    @abstractmethod
    def environment(self, threads: int) -> dict[str, object]:
        """Return the device's stamp: cpu, isa, cores, threads, governor, os, versions."""

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
    def why_portable(self) -> str | None:
        """Return the sentence that says why not, None if it can."""

    @abstractmethod
    def throttle_count(self) -> int:
        """Return how often the device has throttled for heat so far."""


class CpuDevice(Device):
    """This machine's CPU."""

    name = "cpu"
    description = "this machine, through ONNX Runtime's CPU provider"

    def environment(self, threads: int) -> dict[str, object]:
        return machine.environment(threads)

    def cores(self, threads: int) -> list[int]:
        return machine.quiet_cores(threads)

    def start(self) -> WorkerProcess:
        package = str(Path(edgenet.__file__).parents[1])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        return WorkerProcess([sys.executable, "-P", "-m", "edgenet.bench.worker"], environment)

    def native_available(self) -> bool:
        return self.why_portable() is None

    def why_portable(self) -> str | None:
        from edgenet.runtime import library

        return library.why_portable()

    def throttle_count(self) -> int:
        return machine.throttle_count()


_DEVICES: dict[str, type[Device]] = {device.name: device for device in (CpuDevice,)}


def list_devices() -> list[Device]:
    """Return one of every kind of device."""
    return [kind() for kind in _DEVICES.values()]


def get_device(name: str) -> Device:
    """Return the device that `--device` names.

    Raises:
        EdgenetError: there is no such device; the message names those there are.
    """
    if name not in _DEVICES:
        raise EdgenetError(f"There is no device {name!r}; there is {', '.join(_DEVICES)}.")
    return _DEVICES[name]()
