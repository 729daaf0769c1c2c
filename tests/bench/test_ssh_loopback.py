"""Measuring through a real ssh server on this machine."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgenet import bench
from edgenet.bench.devices import board, ssh
from edgenet.errors import EdgenetError
from tests.bench.loopback import Server
from tests.runtime import models

EDGENET = [sys.executable, "-c", "import sys; from edgenet.cli import main; sys.exit(main())"]
pytestmark = pytest.mark.devices


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("home"))
    yield started
    started.close()


@pytest.fixture(autouse=True)
def own_ssh(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(server.programs), prepend=":")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.run_folder(tmp_path_factory.mktemp("runs") / "tiny")


def refused(server: Server, folder: Path) -> str:
    with pytest.raises(EdgenetError) as caught:
        bench.run([folder], server.device, min_runs=1, min_seconds=0.02)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def left_running(server: Server) -> list[str]:
    """What still runs out of the board's folder, or serves a connection, when all should have ended."""
    for _ in range(50):
        listed = subprocess.run(["ps", "-eo", "pid=,args="], text=True, capture_output=True, check=True).stdout
        found = [line for line in listed.splitlines() if str(server.cache) in line or "edgenet-ssh-" in line]
        if not found and not server.sessions():
            return []
        time.sleep(0.1)
    return found or [f"sessions {server.sessions()}"]


def test_a_run_is_measured_there_and_a_second_call_sends_nothing(server: Server, folder: Path) -> None:
    first, second = bench.get_device(server.device), bench.get_device(server.device)
    result = bench.run([folder], first, min_runs=1, min_seconds=0.02)
    paths = [(row["scheme"], row["path"]) for row in result["rows"]]
    assert paths == [("full", "plain"), ("xnor", "native"), ("xnor", "portable")]
    assert all(row["accuracy"]["value"] > 0.5 and row["latency_ms"]["p50"] > 0 for row in result["rows"])
    assert isinstance(first, board.BoardDevice)
    assert first.store.sent_bytes > 10e6
    bench.run([folder], second, min_runs=1, min_seconds=0.02)
    assert isinstance(second, board.BoardDevice)
    assert second.store.sent_bytes == 0
    assert left_running(server) == []


def test_two_devices_measure_side_by_side_in_one_table(server: Server, folder: Path) -> None:
    command = [*EDGENET, "bench", folder, "--device", "cpu", "--device", server.device]
    done = subprocess.run(
        [*command, "--min-runs", "1", "--min-seconds", "0.02"], text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("scheme") == 1
    assert server.device in done.stdout


def test_a_key_that_is_not_known_there_is_refused(server: Server, folder: Path) -> None:
    server.use_key("stranger")
    try:
        assert "ssh needs a key that it accepts: give it yours with ssh-copy-id -p" in refused(server, folder)
    finally:
        server.use_key("client")
    assert left_running(server) == []


def test_a_host_that_this_machine_does_not_know_is_refused(server: Server, folder: Path) -> None:
    known = server.folder / "known_hosts"
    text = known.read_text()
    known.write_text("")
    try:
        assert "its host key is unknown or has changed" in refused(server, folder)
    finally:
        known.write_text(text)


def test_a_host_that_says_nothing_is_given_up(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        device = f"ssh://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EdgenetError, match=r"127.0.0.1 cannot be reached: it does not answer; it may be off"):
            bench.run([folder], device)


def measured_in_between(server: Server, folder: Path, happens: Callable[[], None]) -> str:
    """What a long measurement says after something has happened in its midst."""
    device = bench.get_device(server.device)
    said: list[str] = []

    def measure() -> None:
        try:
            bench.run([folder], device, min_seconds=60)
        except EdgenetError as error:
            said.append(str(error))

    thread = threading.Thread(target=measure)
    thread.start()
    # The runners are there: one that describes, and three rows.
    deadline = time.monotonic() + 30
    while len(runners(server)) < 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    happens()
    thread.join(30)
    assert not thread.is_alive()
    return said[0]


def runners(server: Server) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,args="], text=True, capture_output=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if line.split()[1].startswith(f"{server.cache}/")]


def test_a_connection_that_breaks_is_said_so_and_leaves_nothing_running(server: Server, folder: Path) -> None:
    def cut() -> None:
        for pid in server.sessions():
            os.kill(pid, 9)

    said = measured_in_between(server, folder, cut)
    assert "The connection to" in said
    assert "broke while the runner was to" in said
    assert left_running(server) == []


def test_a_runner_that_is_killed_is_said_so_and_leaves_nothing_running(server: Server, folder: Path) -> None:
    def kill() -> None:
        for pid in runners(server):
            os.kill(pid, 9)

    said = measured_in_between(server, folder, kill)
    assert "was killed; too little memory is a common cause" in said
    assert left_running(server) == []


def test_a_near_end_that_is_killed_leaves_nothing_running(server: Server, folder: Path) -> None:
    command = [*EDGENET, "bench", folder, "--device", server.device, "--min-seconds", "60"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while len(runners(server)) < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert runners(server)
        process.kill()
        process.wait()
    assert left_running(server) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file system that is full")
def test_a_full_disk_is_said_so(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", home], check=True)
    server = Server(tmp_path / "server", home)
    try:
        monkeypatch.setenv("PATH", str(server.programs), prepend=":")
        assert "has room for 7 MB" in refused(server, folder) or "has room for 8 MB" in refused(server, folder)
        # It fills up while a file comes in.
        monkeypatch.setattr(board, "_ROOM_LEFT", -1_000_000_000)
        assert "The disk of" in (said := refused(server, folder))
        assert said.endswith("is full; make room there.")
        assert [path.stat().st_size for path in server.cache.iterdir() if len(path.name) != 64] == []
    finally:
        server.close()
        subprocess.run(["umount", home], check=True)
