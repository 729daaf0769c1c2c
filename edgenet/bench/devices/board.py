"""Boards: machines without Python that are reached over a line, by ssh or adb, and measure with `edgenet-runner`."""

import hashlib
import os
import select
import shlex
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import edgenet
from edgenet.bench.devices.base import Progress, Settings
from edgenet.bench.devices.binaries import Binaries
from edgenet.bench.devices.runner import Carrier, RunnerProcess
from edgenet.bench.devices.worker_device import WorkerDevice
from edgenet.bench.health import Health
from edgenet.bench.machine import adds_products_of_bytes_exactly
from edgenet.errors import EdgenetError

REPLY_SECONDS = 600.0
# A runner that hears nothing for so long ends; it does not see that a network has vanished.
IDLE_SECONDS = 600
_BEAT_SECONDS = 60.0
_PROBE_SECONDS = 60.0
_SLOWEST_UPLOAD = 50_000
_GOODBYE_SECONDS = 0.5
_DAYS_KEPT = 30
_ROOM_LEFT = 4_000_000
_MARK = "edgenet-probe"
_PROBE = f"""
echo {_MARK}
echo "machine $(uname -m)"
echo "bits $(getconf LONG_BIT 2>/dev/null)"
echo "libc $(getconf GNU_LIBC_VERSION 2>/dev/null)"
echo "folder $(pwd)"
echo "free $(df -Pk . | tail -n 1 | sed 's/  */ /g' | cut -d ' ' -f 4)"
ls -ln | sed 's/  */ /g;s/^/object /'
"""


class Line(ABC):
    """A way to a board: runs commands there and carries files there. Its errors are EdgenetErrors of one sentence."""

    name: str
    """How errors call the board."""
    folder: str
    """Where files are kept there, as its shell writes it."""
    broken_code: int
    """How its program exits where the line, and not a command there, has failed."""

    @abstractmethod
    def run(self, script: str, *, given: Path | bytes | None = None, seconds: float = _PROBE_SECONDS) -> str:
        """Run a script in the board's sh and return what it prints; `given` becomes its standard input.

        Raises:
            EdgenetError: the line is broken, the script failed, or it took too long.
        """

    @abstractmethod
    def command(self, script: str) -> list[str]:
        """Return what starts a script there, with its standard input and output here."""

    @abstractmethod
    def explain(self, message: str) -> str | None:
        """Return a sentence on why the line is broken, from what its program wrote; None where it is not."""

    @abstractmethod
    def close(self) -> None:
        """Give the line up."""


def run_command(line: Line, command: list[str], given: Path | bytes | None, seconds: float) -> str:
    """Run what `Line.command` gives, with its standard input from a file or bytes; return what it prints.

    Raises:
        EdgenetError: it fails or takes too long.
    """
    with tempfile.TemporaryFile() as stream:
        if isinstance(given, bytes):
            stream.write(given)
            stream.seek(0)
        source = given.open("rb") if isinstance(given, Path) else stream
        try:
            done = subprocess.run(
                command, stdin=source, capture_output=True, timeout=seconds, check=False, start_new_session=True
            )
        except subprocess.TimeoutExpired as error:
            raise EdgenetError(f"{line.name} took longer than {seconds:.0f} seconds to answer.") from error
        finally:
            source.close()
    if done.returncode == 0:
        return done.stdout.decode(errors="replace")
    words = done.stderr.decode(errors="replace").strip()
    if "no space left" in words.lower() or "disk quota" in words.lower():
        raise EdgenetError(f"The disk of {line.name} is full; make room there.")
    last = (words.splitlines() or [f"exit code {done.returncode}"])[-1]
    if done.returncode == line.broken_code:
        raise EdgenetError(f"{line.name} cannot be reached: {line.explain(words) or last}.")
    raise EdgenetError(f"{line.name} cannot be used: {last}.")


@dataclass
class Probe:
    """What a board is and holds."""

    machine: str
    libc: str
    folder: str
    free_bytes: int
    objects: dict[str, int]
    """Sizes of the files that are there, by name."""


def probe(line: Line) -> Probe:
    """Ask a board what it is.

    Raises:
        EdgenetError: it does not answer, or answers something else.
    """
    text = line.run(f"mkdir -p {line.folder} && cd {line.folder} || exit 9\n{_PROBE}")
    # Some shells greet.
    _, mark, answer = text.partition(f"{_MARK}\n")
    found: dict[str, str] = {}
    objects: dict[str, int] = {}
    for entry in answer.splitlines():
        key, _, value = entry.partition(" ")
        columns = value.split(" ")
        if key == "object" and value.startswith("-") and columns[4].isdigit():
            objects[columns[-1]] = int(columns[4])
        found.setdefault(key, value)
    if not mark or not found.get("folder"):
        raise EdgenetError(f"{line.name} runs commands, but not those of a POSIX shell; edgenet needs sh there.")
    machine = found.get("machine", "")
    if machine == "aarch64" and found.get("bits") == "32":
        # A 64-bit kernel may have 32-bit programs.
        machine = "armv8l"
    free = found.get("free", "")
    kilobytes = int(free) if free.isdigit() else 0
    return Probe(machine, found.get("libc", ""), found["folder"], kilobytes * 1024, objects)


class Store(Carrier):
    """Files in a board's folder, each named by the hash of its content, so that what is there is not sent again."""

    def __init__(self, line: Line, found: Probe) -> None:
        self._line, self._folder, self._objects, self._free = line, found.folder, found.objects, found.free_bytes
        self._hashes: dict[Path, str] = {}
        self._used: set[str] = set()
        self.sent_bytes = 0
        """How much has been sent so far."""

    def file(self, path: Path) -> str:
        """Bring a file there; return its path there."""
        path = path.resolve()
        if path not in self._hashes:
            with path.open("rb") as stream:
                self._hashes[path] = hashlib.file_digest(stream, "sha256").hexdigest()
        return self._send(self._hashes[path], path, path.stat().st_size)

    def content(self, content: bytes) -> str:
        return self._send(hashlib.sha256(content).hexdigest(), content, len(content))

    def model(self, file: Path) -> str:
        from edgenet.bench.results import external_files

        outside = external_files(file)
        if not outside:
            return self.file(file)
        # Weights in files of their own must lie beside the model, under their names.
        parts = {file.name: self.file(file), **{name: self.file(file.parent / name) for name in sorted(outside)}}
        folder = PurePosixPath(self._folder, f"model-{hashlib.sha256(repr(parts).encode()).hexdigest()}")
        commands = []
        for name, there in parts.items():
            here = shlex.quote(str(folder / name))
            folder_here = shlex.quote(str((folder / name).parent))
            commands.append(f"mkdir -p {folder_here} && {{ ln -f {there} {here} 2>/dev/null || cp {there} {here}; }}")
        self._line.run(" && ".join(commands))
        return str(folder / file.name)

    def _send(self, name: str, content: Path | bytes, size: int) -> str:
        there = str(PurePosixPath(self._folder, name))
        self._used.add(name)
        if self._objects.get(name) == size:
            return there
        if size + _ROOM_LEFT > self._free:
            raise EdgenetError(
                f"The disk of {self._line.name} is full: {self._folder} has room for {self._free / 1e6:.0f} MB, and "
                f"{(size + _ROOM_LEFT) / 1e6:.0f} MB are needed; make room there."
            )
        # A line that breaks must not leave half a file under a whole one's name.
        incoming = shlex.quote(f"{there}.{os.urandom(4).hex()}")
        self._line.run(
            f"trap 'rm -f {incoming}' EXIT; cat >{incoming} || exit 1; "
            f"[ $(wc -c <{incoming}) -eq {size} ] || {{ echo a file was cut off on its way >&2; exit 1; }}; "
            f"chmod 755 {incoming} && mv {incoming} {shlex.quote(there)}",
            given=content,
            seconds=_PROBE_SECONDS + size / _SLOWEST_UPLOAD,
        )
        self._objects[name] = size
        self._free -= size
        self.sent_bytes += size
        return there

    def tidy(self) -> None:
        """Remember what was used, and remove what has not been for a month."""
        used = " ".join(sorted(self._used))
        self._line.run(
            f"cd {shlex.quote(self._folder)} && touch -c {used} && "
            f"find . -type f -mtime +{_DAYS_KEPT} -exec rm -f {{}} \\; ; rmdir model-* *-profile-* 2>/dev/null; true"
        )


class BoardProcess(RunnerProcess):
    """A runner at the end of a line."""

    def __init__(self, line: Line, script: str, carrier: Carrier, reply_seconds: float) -> None:
        # The shell stays, so that it can tell that the runner was killed.
        super().__init__(line.command(f"{script}; exit $?"), carrier, reply_seconds=reply_seconds)
        self._line = line
        self._writing, self._over = threading.Lock(), threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def _beat(self) -> None:
        """Send an empty line now and then, so that the runner knows of us while we ask it nothing."""
        stdin = self._process.stdin
        assert stdin is not None
        while not self._over.wait(_BEAT_SECONDS):
            with self._writing, suppress(OSError):
                # Who reads nothing has enough to read, and would keep us.
                if select.select([], [stdin], [], 0)[1]:
                    stdin.write(b"\n")

    def _write(self, line: bytes) -> None:
        with self._writing:
            super()._write(line)

    def _read_line(self, interrupts: list[int]) -> str:
        reply = super()._read_line(interrupts)
        while reply and not reply.startswith(('{"ok": ', '{"error": ')):
            reply = super()._read_line(interrupts)
        return reply

    def _explain_death(self, doing: str, code: int, last_words: str) -> str:
        name = self._line.name
        if code == 137:
            return f"The runner that was to {doing} a model on {name} was killed; too little memory is a common cause."
        reason = self._line.explain(last_words)
        if code != self._line.broken_code or (last_words and reason is None):
            return f"The runner that was to {doing} a model on {name} died: {last_words or f'exit code {code}'}."
        reason = reason or "it was lost"
        return f"The connection to {name} broke while the runner was to {doing} a model ({reason}); run it again."

    def _explain_silence(self, doing: str, seconds: float) -> str:
        return f"{self._line.name} was to {doing} a model and gave no answer for {seconds:.0f} seconds."

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._heart.join()
        # The runner ends with its input; the line's program is given the time to pass that on.
        if self._process.stdin is not None and self._process.poll() is None:
            with suppress(OSError, subprocess.TimeoutExpired):
                self._process.stdin.close()
                self._process.wait(_GOODBYE_SECONDS)
        super().__exit__(kind, error, trace)


class BoardDevice(WorkerDevice):
    """A board at the end of a line, which is opened when it is first needed."""

    reply_seconds = REPLY_SECONDS
    recording_copies = True

    def __init__(self, name: str) -> None:
        self.name = name
        self._line: Line | None = None
        self._connect_seconds = 0.0
        self._control: BoardProcess | None = None

    @abstractmethod
    def _open(self) -> Line:
        """Open the line."""

    @abstractmethod
    def _binaries(self, found: Probe) -> Binaries:
        """Return the files that a board needs; raises EdgenetError where it cannot use any."""

    def _connect(self) -> "BoardProcess":
        """Bring what is missing there and return a runner that describes the board."""
        if self._control is None:
            begin = time.monotonic()
            self._line = self._open()
            found = probe(self._line)
            self.free_bytes, self._machine = found.free_bytes, found.machine
            files = self._binaries(found)
            self.store = Store(self._line, found)
            paths = (files.runner, files.onnxruntime, files.library)
            runner, *libraries = (shlex.quote(self.store.file(path)) for path in paths)
            self._runner = f"{runner} --idle {IDLE_SECONDS} {' '.join(libraries)}"
            self._control = self._start()
            self._connect_seconds = time.monotonic() - begin
        return self._control

    def _start(self) -> BoardProcess:
        assert self._line is not None
        return BoardProcess(self._line, self._runner, self.store, self.reply_seconds)

    def environment(self, threads: int) -> dict[str, object]:
        control = self._connect()
        described, health = control.call("describe"), self.health()
        clock = health.clock(None)
        stamp = {key: described[key] for key in ("cpu", "isa", "cores")}
        return {
            **stamp,
            "threads": threads,
            "governor": clock.governor,
            "load": health.load,
            "os": described["os"],
            "python": None,
            "onnxruntime": described["onnxruntime"],
            "edgenet": edgenet.__version__,
            "operators": described["operators"],
            "glibc": described["glibc"],
            "features": described["features"],
            "memory_bytes": described["memory_bytes"],
            "memory_available_bytes": described["memory_available_bytes"],
            "disk_free_bytes": self.free_bytes,
            "temperature_c": health.temperature_c,
            "frequency_khz": clock.frequency_khz,
        }

    def cores(self, threads: int) -> list[int]:
        return list(self._connect().call("quiet_cores", count=threads))

    def start(self) -> BoardProcess:
        self._connect()
        return self._start()

    def native_available(self) -> bool:
        return bool(self._connect().call("describe")["isa"])

    def adds_products_of_bytes_exactly(self) -> bool:
        described = self._connect().call("describe")
        return adds_products_of_bytes_exactly(self._machine, described["features"] or "")

    def health(self) -> Health:
        return Health.told(self._connect().call("health"))

    def measure(self, paths: Sequence[str | Path], settings: Settings, progress: Progress) -> list[dict[str, Any]]:
        rows = super().measure(paths, settings, progress)
        self.store.tidy()
        return rows

    def learned(self) -> dict[str, object]:
        return {
            **super().learned(),
            "frequency_khz": self._clock.frequency_khz,
            "connect_seconds": self._connect_seconds,
            "launch_seconds": self._launch_seconds,
            "sent_bytes": self.store.sent_bytes,
        }

    def close(self) -> None:
        if self._control is not None:
            self._control.__exit__(None, None, None)
        if self._line is not None:
            self._line.close()
        self._control = self._line = None
