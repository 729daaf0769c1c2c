"""Several devices at the same time; here all are this machine under several names."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgenet import bench
from edgenet.bench.devices.base import Settings
from edgenet.bench.devices.cpu import CpuDevice
from edgenet.bench.together import on_each
from edgenet.cli.main import main
from edgenet.errors import EdgenetError
from tests.runtime import models

QUICK: dict[str, Any] = {"min_runs": 1, "min_seconds": 0.02}


class Twin(CpuDevice):
    def __init__(self, name: str) -> None:
        self.name = name


class Broken(Twin):
    def environment(self, threads: int) -> dict[str, object]:
        raise EdgenetError(f"{self.name} cannot be reached: it may be off.")


class Unforeseen(Twin):
    def measure(self, *arguments: Any) -> list[dict[str, Any]]:
        raise KeyError("no such\nthing")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.plain(tmp_path_factory.mktemp("together") / "full.onnx")


def test_a_device_that_fails_takes_nothing_from_the_others(file: Path) -> None:
    devices = [Broken("a"), "cpu", Unforeseen("c")]
    result = bench.run([file], devices, **QUICK)
    assert [row["device"] for row in result["rows"]] == ["cpu"]
    assert result["environments"].keys() == {"cpu"}
    assert result["failures"].keys() == {"a", "c"}
    assert result["failures"]["a"] == "a cannot be reached: it may be off."
    assert result["failures"]["c"].startswith("KeyError: 'no such")
    assert "--debug" in result["failures"]["c"]


def test_the_command_writes_the_rows_there_are_names_who_failed_and_ends_with_1(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # so without adb
    written = tmp_path / "result.json"
    words = ["bench", str(file), "--device", "adb:x1", "--device", "cpu", "--json", str(written)]
    done = CliRunner().invoke(main, [*words, "--min-runs", "1", "--min-seconds", "0.02"])
    assert done.exit_code == 1
    assert "Error: adb:x1 has no rows. There is no adb on this machine; install it" in done.stderr
    assert [row["device"] for row in bench.read_result(written)["rows"]] == ["cpu"]
    assert "full" in done.stdout


def test_where_all_devices_fail_each_is_named(file: Path) -> None:
    with pytest.raises(EdgenetError, match=r"^a failed: a cannot be reached: .* b failed: b cannot be reached: .*\.$"):
        bench.run([file], [Broken("a"), Broken("b")], **QUICK)


def test_what_all_devices_say_alike_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(EdgenetError, match=r"^\S*none\.onnx does not exist") as caught:
        bench.run([tmp_path / "none.onnx"], [Twin("a"), Twin("b")], **QUICK)
    assert str(caught.value).count("does not exist") == 1


def test_the_only_device_fails_as_it_does(file: Path) -> None:
    with pytest.raises(KeyError):
        bench.run([file], Unforeseen("c"), **QUICK)


def test_devices_are_connected_at_the_same_time(file: Path) -> None:
    meeting = threading.Barrier(2)

    class Meeting(Twin):
        def environment(self, threads: int) -> dict[str, object]:
            meeting.wait(30)  # breaks, unless the other one comes as well
            return super().environment(threads)

    assert bench.run([file], [Meeting("a"), Meeting("b")], **QUICK)["failures"] == {}


def test_ctrl_c_keeps_what_every_device_has_measured(file: Path) -> None:
    seen: set[str] = set()

    def interrupt_soon(fraction: float, text: str) -> None:
        device, _, doing = text.partition(": ")
        if doing == "timing, window 1, round 5" and not {"a", "b"} <= seen:
            seen.add(device)
            if {"a", "b"} <= seen:
                os.kill(os.getpid(), signal.SIGINT)

    devices = [Twin("a"), Twin("b")]
    result = bench.run([file], devices, min_runs=10**9, min_seconds=600, progress=interrupt_soon)
    assert [row["device"] for row in result["rows"]] == ["a", "b"]
    for row in result["rows"]:
        assert row["latency_ms"]["runs"] > 0
        assert "interrupted: 1 of 5 windows were timed" in row["flags"]
    assert result["failures"] == {}


def test_ctrl_c_before_a_device_has_anything_leaves_the_others_rows() -> None:
    def work(device: Twin, tell: Any) -> str:
        tell(0.0, "loading")
        if device.name == "quick":
            return "rows"
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            tell(0.5, "loading")

    kept, failures = on_each([Twin("quick"), Twin("slow")], work, lambda fraction, text: None)  # type: ignore[arg-type]
    assert kept == {"quick": "rows"}
    assert failures == {"slow": "It was interrupted before there was anything to keep; run it again."}


def test_ctrl_c_before_any_device_has_anything_is_passed_on() -> None:
    def work(device: Twin, tell: Any) -> str:
        if device.name == "a":
            os.kill(os.getpid(), signal.SIGINT)
        while True:
            tell(0.5, "loading")

    with pytest.raises(KeyboardInterrupt):
        on_each([Twin("a"), Twin("b")], work, lambda fraction, text: None)  # type: ignore[arg-type]


def test_ctrl_c_after_timing_takes_nothing_of_what_was_measured(file: Path) -> None:
    def interrupt_late(fraction: float, text: str) -> None:
        if text.startswith("accuracy and memory"):
            raise KeyboardInterrupt

    (row,) = CpuDevice().measure([file], Settings(**QUICK), interrupt_late)
    assert row["latency_ms"]["runs"] > 0
    assert row["rss_run_bytes"] is not None
