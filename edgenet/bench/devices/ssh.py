"""`--device ssh://user@host[:port]`: a board or another machine, through the system's ssh."""

import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit

from edgenet.bench.devices.binaries import Binaries, find_binaries
from edgenet.bench.devices.board import BoardDevice, Line, Probe, run_command
from edgenet.errors import EdgenetError

OLDEST_GLIBC = (2, 28)
_CONNECT_SECONDS = 10
# Three of these without an answer, and the connection counts as broken.
_ALIVE_SECONDS = 5
_READY = "edgenet-ready"
# What ssh writes, in lower case, and what it means.
_REASONS = {
    "permission denied (": "ssh needs a key that it accepts: give it yours with ssh-copy-id {target}",
    "too many authentication failures": "ssh needs a key that it accepts: give it yours with ssh-copy-id {target}",
    "host key verification failed": "its host key is unknown or has changed: see to it once with ssh {target}",
    "identification has changed": "its host key has changed: see to it once with ssh {target}",
    "could not resolve": "there is no host of that name",
    "name or service not known": "there is no host of that name",
    "connection refused": "no ssh server answers there; start one, or name its port as ssh://user@host:port",
    "timed out": "it does not answer; it may be off, or on another network",
    "timeout": "it does not answer; it may be off, or on another network",
    "no route to host": "there is no way to it; it may be off, or on another network",
    "network is unreachable": "there is no way to it; it may be off, or on another network",
    "connection reset": "the connection was reset",
    "connection closed": "the connection was closed",
    "closed by remote host": "the connection was closed",
    "broken pipe": "the connection was closed",
    "session open refused": "it takes no more sessions: raise MaxSessions in its sshd_config, or name fewer files",
}


class SshLine(Line):
    """One connection that all commands share; no password is ever asked for."""

    broken_code = 255
    folder = '"${XDG_CACHE_HOME:-$HOME/.cache}/edgenet"'

    def __init__(self, target: str, port: int | None) -> None:
        if shutil.which("ssh") is None:
            raise EdgenetError("There is no ssh on this machine; install it (Debian: apt-get install openssh-client).")
        self.name = target
        self._copy_id = target if port is None else f"-p {port} {target}"
        # Not in a folder with a long name: a socket's path has 104 characters at most.
        self._folder = tempfile.mkdtemp(prefix="edgenet-ssh-", dir="/tmp")
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": _CONNECT_SECONDS,
            "ServerAliveInterval": _ALIVE_SECONDS,
            "ServerAliveCountMax": 3,
            "ControlPath": f"{self._folder}/line",
            "ControlPersist": "no",
            "ClearAllForwardings": "yes",
            "ForwardAgent": "no",
            "PermitLocalCommand": "no",
            "RemoteCommand": "none",
            "LogLevel": "ERROR",
        }
        self._ssh = ["ssh", "-T", *(f"-o{key}={value}" for key, value in options.items())]
        self._target = [*(["-p", str(port)] if port else []), target]
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        # The master ends with its input, so that it does not outlive us, however we end.
        self._messages = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._master = subprocess.Popen(
            [*self._ssh, "-oControlMaster=yes", *self._target, f"echo {_READY}; exec cat >/dev/null"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
            start_new_session=True,
        )
        assert self._master.stdout is not None
        timer = Timer(3 * _CONNECT_SECONDS, self._master.kill)
        timer.start()
        greeting = self._master.stdout.readline()
        while greeting and greeting.strip() != _READY:
            greeting = self._master.stdout.readline()
        timer.cancel()
        if not greeting:
            self._master.kill()
            self._master.wait()
            self._messages.seek(0)
            words = self._messages.read().strip() or "timed out"
            raise EdgenetError(f"{self.name} cannot be reached: {self.explain(words) or words.splitlines()[-1]}.")

    def explain(self, message: str) -> str | None:
        found = (reason for sign, reason in _REASONS.items() if sign in message.lower())
        reason = next(found, None)
        return reason.format(target=self._copy_id) if reason else None

    def command(self, script: str) -> list[str]:
        # Whatever the user's shell there is, sh runs it.
        return [*self._ssh, "-oControlMaster=no", *self._target, f"exec sh -c {shlex.quote(script)}"]

    def run(self, script: str, *, given: Path | bytes | None = None, seconds: float = 60.0) -> str:
        return run_command(self, self.command(script), given, seconds)

    def close(self) -> None:
        master = getattr(self, "_master", None)
        if master is not None:
            assert master.stdin is not None
            assert master.stdout is not None
            master.terminate()
            master.wait()
            master.stdin.close()
            master.stdout.close()
            self._messages.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class SshDevice(BoardDevice):
    """A Linux machine with glibc, aarch64 or of this machine's kind."""

    pattern = "ssh://user@host[:port]"
    description = "a board with Linux, by the system's ssh and a key (needs nothing there but glibc 2.28 or newer)"

    def __init__(self, name: str, target: str, port: int | None) -> None:
        super().__init__(name)
        self.target, self.port = target, port

    @classmethod
    def named(cls, name: str) -> "SshDevice | None":
        if not name.startswith("ssh:"):
            return None
        try:
            parts = urlsplit(name)
            port, host = parts.port, parts.hostname
        except ValueError:
            port, host = None, None
        plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.password)
        if (
            parts.scheme != "ssh"
            or not host
            or not plain
            or host.startswith("-")
            or (parts.username or "").startswith("-")
        ):
            raise EdgenetError(f"{name!r} is no address of a board; write {cls.pattern} (ssh logs in with a key).")
        # As it was typed: names in ssh's own configuration may have capitals.
        typed = parts.netloc.rpartition("@")[2]
        typed = typed.removesuffix(f":{port}") if port is not None else typed.removesuffix(":")
        host = typed.strip("[]")
        return cls(name, f"{parts.username}@{host}" if parts.username else host, port)

    def _open(self) -> Line:
        return SshLine(self.target, self.port)

    def _binaries(self, found: Probe) -> Binaries:
        files = find_binaries(found.machine)
        words = found.libc.split()
        if len(words) != 2 or words[0] != "glibc":
            raise EdgenetError(
                f"{self.target} has no glibc, which ONNX Runtime's builds for Linux need; use a system that has it "
                "(Raspberry Pi OS, Debian, Ubuntu, Fedora and most others, but not Alpine)."
            )
        if tuple(int(part) for part in words[1].split(".")[:2]) < OLDEST_GLIBC:
            raise EdgenetError(
                f"{self.target} has glibc {words[1]}, and ONNX Runtime needs 2.28 or newer; upgrade its system."
            )
        return files
