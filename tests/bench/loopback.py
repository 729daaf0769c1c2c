"""A real ssh server on this machine, with keys of its own; nobody's settings are read or changed."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest


class Server:
    """An sshd on 127.0.0.1 that lets the user of the tests in with one key, and an `ssh` that has this key."""

    variables = ""
    """More of them, NAME=VALUE, that commands see."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        home.mkdir(exist_ok=True)
        sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        ssh = shutil.which("ssh")
        if sshd is None or ssh is None:
            pytest.fail("This test needs an ssh server and client (Debian: apt-get install openssh-server).")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        for key in ("host", "client", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        shutil.copy(folder / "client.pub", folder / "authorized_keys")
        (folder / "authorized_keys").chmod(0o600)
        near = self.seen(folder)
        config = folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {near}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {near}/authorized_keys\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"StrictModes no\nPermitRootLogin prohibit-password\nMaxSessions 40\n"
            f"SetEnv XDG_CACHE_HOME={self.seen(home)}/.cache {self.variables}\n"
        )
        key = " ".join((folder / "host.pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}\n")
        self.use_key("client")
        program = self.programs / "ssh"
        program.write_text(f'#!/bin/sh\nexec {ssh} -F {folder}/ssh_config "$@"\n')
        program.chmod(0o755)
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(self.command(sshd, self.seen(config)), stderr=self.log)
        self._wait()

    def seen(self, path: Path) -> Path:
        """A path as the server has it."""
        return path

    def command(self, sshd: str, config: Path) -> list[str | Path]:
        """What starts the server."""
        return [sshd, "-D", "-e", "-f", config]

    @property
    def device(self) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def cache(self) -> Path:
        """Where files are kept on the "board"."""
        return self.home / ".cache" / "edgenet"

    def use_key(self, name: str) -> None:
        (self.folder / "ssh_config").write_text(
            f"IdentityFile {self.folder}/{name}\nIdentitiesOnly yes\nUserKnownHostsFile {self.folder}/known_hosts\n"
            "GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n"
        )

    def sessions(self) -> list[int]:
        """Processes of this server that serve somebody."""
        done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], text=True, capture_output=True)
        return [int(pid) for pid in done.stdout.split()]

    def _wait(self) -> None:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        pytest.fail(f"The ssh server does not start: {(self.folder / 'log').read_text()}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pid in self.sessions():
            os.kill(pid, 9)
        self.log.close()
