"""Boards reached by ssh and adb; here their commands run on this machine, through stubs of the two programs."""

import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgenet import bench
from edgenet.bench.devices import binaries, board, ssh
from edgenet.errors import EdgenetError
from tests.runtime import models

# What runs a command on the "board": the last argument, as ssh's and adb's servers give it to a shell.
STUB = """#!/bin/sh
for last; do :; done
exec env HOME={home} XDG_CACHE_HOME= PATH={board}:$PATH sh -c "$last"
"""


class Board:
    """This machine as a board; programs in `programs` come before its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.programs, self.near = folder / "home", folder / "board", folder / "near"
        for made in (self.home, self.programs, self.near):
            made.mkdir()
        for name in ("ssh", "adb"):
            write_program(self.near / name, STUB.format(home=self.home, board=self.programs))

    def put(self, name: str, script: str) -> None:
        write_program(self.programs / name, f"#!/bin/sh\n{script}\n")

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "edgenet"


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board(tmp_path)
    monkeypatch.setenv("PATH", str(made.near), prepend=":")
    # adb's folder is one of the phone's.
    monkeypatch.setattr("edgenet.bench.devices.adb.AdbLine.folder", str(made.cache))
    return made


def measure(device: Any, *files: Path, **settings: Any) -> dict[str, Any]:
    return bench.run(list(files), device, **{"min_runs": 1, "min_seconds": 0.02, **settings})


def refused(device: Any, file: Path) -> str:
    with pytest.raises(EdgenetError) as caught:
        measure(device, file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["ssh://me@board:2222", "adb:0123456789ABCDEF"])
def test_a_board_measures_like_this_machine_and_a_second_time_nothing_is_sent(
    here: Board, tmp_path: Path, name: str
) -> None:
    folder = models.run_folder(tmp_path / "run")
    device = bench.get_device(name)
    result = measure(device, folder, profile=True)
    ours = bench.run([folder], "cpu", min_runs=1, min_seconds=0.02, profile=True)
    for row, expected in zip(result["rows"], ours["rows"], strict=True):
        assert row["device"] == name
        for key in ("model", "scheme", "path", "file", "file_bytes", "input", "accuracy", "activation_peak_bytes"):
            assert row[key] == expected[key]
        assert row["latency_ms"]["p50"] > 0
        assert row["rss_load_peak_bytes"] > 0
        assert [layer["layer"] for layer in row["profile"]] == [layer["layer"] for layer in expected["profile"]]
        assert (row["energy_mj"] is None) == (expected["energy_mj"] is None)
    environment = result["environments"][name]
    assert environment.keys() >= ours["environments"]["cpu"].keys()
    assert environment["memory_bytes"] > 0
    assert environment["disk_free_bytes"] > 0
    assert environment["sent_bytes"] == device.store.sent_bytes > 1e6
    again = measure(bench.get_device(name), folder, profile=True)["environments"][name]
    assert again["sent_bytes"] == 0
    assert again["connect_seconds"] > 0
    assert again["launch_seconds"] > 0
    cpu = bench.get_device("cpu")
    assert device.adds_products_of_bytes_exactly() == cpu.adds_products_of_bytes_exactly()
    assert all(len(path.name) == 64 for path in here.cache.iterdir())


def test_weights_in_files_of_their_own_come_along(here: Board, tmp_path: Path) -> None:
    model = onnx.load(models.plain(tmp_path / "plain.onnx"))
    file = tmp_path / "outside.onnx"
    onnx.save(model, file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (row,) = measure("ssh://board", file)["rows"]
    assert row["latency_ms"]["p50"] > 0


def test_what_was_not_used_for_a_month_is_removed(here: Board, tmp_path: Path) -> None:
    # The folder is of a profile in whose midst the board lost its power.
    left = here.cache / "0123-profile-abcdef"
    left.mkdir(parents=True)
    for name, days in (("old", 31), ("young", 29), (f"{left.name}/optimized.onnx", 31)):
        (here.cache / name).write_text("")
        then = (here.cache / name).stat().st_mtime - days * 86400
        os.utime(here.cache / name, (then, then))
    measure("ssh://board", models.plain(tmp_path / "full.onnx"))
    assert {path.name for path in here.cache.iterdir()} >= {"young"}
    assert not (here.cache / "old").exists()
    assert not left.exists()


def test_a_shell_that_greets_does_no_harm(here: Board, tmp_path: Path) -> None:
    write_program(here.near / "ssh", (here.near / "ssh").read_text().replace("exec env", "echo Welcome!\nexec env"))
    assert measure("ssh://board", models.plain(tmp_path / "full.onnx"))["rows"]


@pytest.mark.parametrize(
    ("program", "script", "sentence"),
    [
        ("uname", "echo armv7l", "an armv7l, for which ONNX Runtime has no wheel. A Raspberry Pi 3 or newer can"),
        ("uname", "echo riscv64", "an riscv64, for which"),
        ("getconf", "echo", "board has no glibc, which ONNX Runtime's builds for Linux need"),
        ("getconf", 'echo "glibc 2.27"', "board has glibc 2.27, and ONNX Runtime needs 2.28 or newer"),
        ("df", "echo; echo disk 9 8 7 1% /", "disk of board is full: .* room for 0 MB, and 4 MB are needed"),
        ("wc", "echo 3", "board cannot be used: a file was cut off on its way"),
        ("chmod", "echo chmod: No space left on device >&2; exit 1", "The disk of board is full; make room there"),
        ("chmod", "echo chmod: too hot >&2; exit 1", "board cannot be used: chmod: too hot"),
    ],
)
def test_a_board_that_cannot_be_used_says_why(
    here: Board, tmp_path: Path, program: str, script: str, sentence: str
) -> None:
    here.put(program, script)
    assert_matches(sentence, refused("ssh://board", models.plain(tmp_path / "full.onnx")))
    assert [path for path in here.cache.iterdir() if len(path.name) != 64] == []


def test_a_64_bit_kernel_under_32_bit_programs_is_no_64_bit_board(here: Board, tmp_path: Path) -> None:
    here.put("uname", "echo aarch64")
    here.put("getconf", "[ $1 = LONG_BIT ] && echo 32")
    assert "an armv8l, for which" in refused("ssh://board", models.plain(tmp_path / "full.onnx"))


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("me@board: Permission denied (publickey).", "give it yours with ssh-copy-id -p 2222 me@board"),
        ("Host key verification failed.", "unknown or has changed: see to it once with ssh -p 2222 me@board"),
        ("ssh: Could not resolve hostname board: Name or service not known", "there is no host of that name"),
        ("ssh: connect to host board port 22: Connection refused", "no ssh server answers there; start one"),
        ("ssh: connect to host board port 22: Connection timed out", "it does not answer; it may be off"),
        ("ssh: connect to host board port 22: No route to host", "there is no way to it"),
        ("Bad owner or permissions on /home/me/.ssh/config", "Bad owner or permissions on /home/me/.ssh/config"),
    ],
)  # fmt: skip
def test_what_ssh_says_becomes_a_sentence(here: Board, tmp_path: Path, message: str, sentence: str) -> None:
    write_program(here.near / "ssh", f'#!/bin/sh\necho "{message}" >&2\nexit 255\n')
    said = refused("ssh://me@board:2222", models.plain(tmp_path / "full.onnx"))
    assert said.startswith("me@board cannot be reached: ")
    assert sentence in said


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("error: device unauthorized.", "unlock it and allow USB debugging"),
        ("error: device offline", "plug it in again"),
        ("error: device 'x1' not found", "adb devices does not list it"),
    ],
)
def test_what_adb_says_becomes_a_sentence(here: Board, tmp_path: Path, message: str, sentence: str) -> None:
    write_program(here.near / "adb", f'#!/bin/sh\necho "{message}" >&2\nexit 1\n')
    said = refused("adb:x1", models.plain(tmp_path / "full.onnx"))
    assert said.startswith("x1 cannot be reached: ")
    assert sentence in said


def test_a_phone_needs_files_of_its_own_and_runs_them(
    here: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.put("getconf", "exit 1")
    file = models.plain(tmp_path / "full.onnx")
    monkeypatch.delenv("EDGENET_ANDROID", raising=False)
    assert_matches("Android's C library.*EDGENET_ANDROID .export/runner/README.md", refused("adb:x1", file))
    phone = tmp_path / "phone"
    phone.mkdir()
    monkeypatch.setenv("EDGENET_ANDROID", str(phone))
    assert_matches("must hold edgenet-runner, libedgenet_ops.so and libonnxruntime.so", refused("adb:x1", file))
    own = binaries.find_binaries(os.uname().machine)
    for path, name in (
        (own.runner, "edgenet-runner"),
        (own.library, "libedgenet_ops.so"),
        (own.onnxruntime, "libonnxruntime.so"),
    ):
        (phone / name).symlink_to(path)
    assert measure("adb:x1", file)["rows"]


def test_without_ssh_or_adb_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    file = models.plain(tmp_path / "full.onnx")
    assert "apt-get install openssh-client" in refused("ssh://board", file)
    assert "apt-get install adb" in refused("adb:x1", file)


@pytest.mark.parametrize(
    "name",
    ["ssh:board", "ssh://", "ssh://me@", "ssh://board:port", "ssh://me:secret@board", "ssh://board/path", "ssh://-oProxyCommand=x",
     "ssh://-l@board", "ssh://board:99999", "adb:", "adb:-d", "adb:a b"],
)  # fmt: skip
def test_a_wrong_name_is_refused(name: str) -> None:
    with pytest.raises(EdgenetError, match=r"write (ssh://user@host\[:port\]|adb:SERIAL)"):
        bench.get_device(name)


@pytest.mark.parametrize(
    ("name", "target", "port"),
    [
        ("ssh://pi@raspberrypi", "pi@raspberrypi", None),
        ("ssh://Board", "Board", None),
        ("ssh://pi@10.0.0.7:2222/", "pi@10.0.0.7", 2222),
        ("ssh://pi@[fe80::1]:22", "pi@fe80::1", 22),
    ],
)
def test_a_name_says_who_where_and_at_which_port(name: str, target: str, port: int | None) -> None:
    device = bench.get_device(name)
    assert isinstance(device, ssh.SshDevice)
    assert (device.target, device.port) == (target, port)


def test_a_runner_that_hangs_or_dies_is_told_apart_and_ended(
    here: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = binaries.find_binaries(os.uname().machine)
    runner = tmp_path / "edgenet-runner"
    monkeypatch.setattr(ssh, "find_binaries", lambda machine: binaries.Binaries(runner, own.library, own.onnxruntime))
    file = models.plain(tmp_path / "full.onnx")
    write_program(runner, "#!/bin/sh\nexec sleep 60\n")
    device = bench.get_device("ssh://board")
    assert isinstance(device, board.BoardDevice)
    device.reply_seconds = 0.3
    assert "board was to describe a model and gave no answer for 0 seconds" in refused(device, file)
    write_program(runner, "#!/bin/sh\nkill -9 $$\n")
    assert_matches("was to describe a model on board was killed; too little memory", refused("ssh://board", file))
    write_program(runner, "#!/bin/sh\necho libstdc++.so.6: not found >&2\nexit 127\n")
    assert_matches("on board died: libstdc.*not found", refused("ssh://board", file))
    write_program(runner, "#!/bin/sh\necho Connection to board closed by remote host. >&2\nexit 255\n")
    assert_matches(
        "The connection to board broke while the runner was to describe a model .*; run it again",
        refused("ssh://board", file),
    )
    listed = subprocess.run(["ps", "-eo", "args"], text=True, capture_output=True, check=True).stdout
    assert str(here.cache) not in listed


@pytest.mark.parametrize("beat", [0.2, 60])
def test_a_runner_that_is_asked_nothing_for_long_stays_as_long_as_it_is_told_that_we_are_there(
    here: Board, monkeypatch: pytest.MonkeyPatch, beat: float
) -> None:
    monkeypatch.setattr(board, "IDLE_SECONDS", 3 if beat < 1 else 1)
    monkeypatch.setattr(board, "_BEAT_SECONDS", beat)
    device = bench.get_device("ssh://board")
    assert isinstance(device, board.BoardDevice)
    with device.start() as process:
        time.sleep(4 if beat < 1 else 2.5)
        if beat < 1:
            assert process.call("describe")["cores"] > 0
        else:
            with pytest.raises(EdgenetError, match=r"on board died: .*asked nothing for as long as --idle says"):
                process.call("describe")
    device.close()


def test_boards_hear_of_us_several_times_before_they_give_us_up() -> None:
    assert 0 < 5 * board._BEAT_SECONDS <= board.IDLE_SECONDS


def assert_matches(pattern: str, text: str) -> None:
    import re

    assert re.search(pattern, text), text


def test_samples_of_different_lengths_and_types_travel() -> None:
    arrays = {"input": np.arange(5, dtype=np.int64), "lengths": np.array([3], np.int64)}
    from edgenet.bench.devices.runner import pack

    content, (tensors,) = pack([arrays])
    for name, described in zip(arrays, tensors, strict=True):
        assert described["offset"] % 64 == 0
        found = np.frombuffer(content, np.int64, arrays[name].size, int(str(described["offset"])))
        np.testing.assert_array_equal(found, arrays[name])
