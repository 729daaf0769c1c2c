"""`--device adb:SERIAL`: a phone, or a board with Linux, through Android's debug bridge."""

import os
import shlex
import shutil
from pathlib import Path

from edgenet.bench.devices.binaries import Binaries, find_binaries, find_build
from edgenet.bench.devices.board import BoardDevice, Line, Probe, run_command
from edgenet.errors import EdgenetError

ENVIRONMENT_VARIABLE = "EDGENET_ANDROID"
# What adb writes, in lower case, and what it means.
_REASONS = {
    "unauthorized": "it does not know this machine: unlock it and allow USB debugging",
    "offline": "it is offline: plug it in again",
    "not found": "adb devices does not list it: plug it in and switch USB debugging on",
    "no devices": "adb devices lists none: plug it in and switch USB debugging on",
    "closed": "the connection was closed",
}


class AdbLine(Line):
    """Commands by `adb shell`; each is a connection of its own to adb's server."""

    folder = "/data/local/tmp/edgenet"
    broken_code = 1

    def __init__(self, serial: str) -> None:
        if shutil.which("adb") is None:
            raise EdgenetError("There is no adb on this machine; install it (Debian: apt-get install adb).")
        self.name = serial
        self._serial = serial

    def command(self, script: str) -> list[str]:
        return ["adb", "-s", self._serial, "shell", f"exec sh -c {shlex.quote(script)}"]

    def run(self, script: str, *, given: Path | bytes | None = None, seconds: float = 60.0) -> str:
        return run_command(self, self.command(script), given, seconds)

    def explain(self, message: str) -> str | None:
        return next((reason for sign, reason in _REASONS.items() if sign in message.lower()), None)

    def close(self) -> None:
        """adb's server is the user's and stays."""


class AdbDevice(BoardDevice):
    """A phone with 64-bit Arm, or a board with glibc."""

    pattern = "adb:SERIAL"
    description = "a phone or board by adb (not tried on a phone)"

    def __init__(self, name: str, serial: str) -> None:
        super().__init__(name)
        self._serial = serial

    @classmethod
    def named(cls, name: str) -> "AdbDevice | None":
        if not name.startswith("adb:"):
            return None
        serial = name.removeprefix("adb:")
        if not serial or serial.startswith("-") or any(character.isspace() for character in serial):
            raise EdgenetError(f"{name!r} names no device; write {cls.pattern} with a serial number of adb devices.")
        return cls(name, serial)

    def _open(self) -> Line:
        return AdbLine(self._serial)

    def _binaries(self, found: Probe) -> Binaries:
        if found.libc.startswith("glibc"):
            return find_binaries(found.machine)
        named = os.environ.get(ENVIRONMENT_VARIABLE)
        if named is None:
            raise EdgenetError(
                f"{self._serial} has Android's C library, for which edgenet brings no files: build edgenet-runner and "
                "libedgenet_ops.so with Android's NDK, put libonnxruntime.so of onnxruntime-android beside them, and "
                f"name the folder in {ENVIRONMENT_VARIABLE} (export/runner/README.md)."
            )
        build = find_build(Path(named))
        onnxruntime = next(iter(sorted(Path(named).rglob("libonnxruntime.so*"))), None)
        if build is None or onnxruntime is None:
            raise EdgenetError(
                f"{named}, which {ENVIRONMENT_VARIABLE} names, must hold edgenet-runner, libedgenet_ops.so and "
                "libonnxruntime.so for the phone (export/runner/README.md)."
            )
        return Binaries(*build, onnxruntime)
