"""Measuring through an ssh server for 64-bit Arm, emulated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgenet import bench
from edgenet.bench.devices import emulator
from edgenet.bench.devices.binaries import ENVIRONMENT_VARIABLE
from tests.bench.arm_server import ArmServer
from tests.runtime import models

pytestmark = pytest.mark.board


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArmServer]:
    started = ArmServer(tmp_path_factory.mktemp("board"), emulator.CPUINFO)
    yield started
    started.close()


def test_a_run_is_measured_on_arm_and_answers_as_here(
    server: ArmServer, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(server.programs), prepend=":")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(built))
    folder = models.run_folder(tmp_path / "tiny")
    result = bench.run([folder], server.device, min_runs=1, min_seconds=0.02)
    ours = bench.run([folder], "cpu", min_runs=1, min_seconds=0.02)
    stamp = result["environments"][server.device]
    assert stamp["isa"] == "neon"
    assert "aarch64" in str(stamp["os"])
    assert [(row["scheme"], row["path"]) for row in result["rows"]] == [
        ("full", "plain"), ("xnor", "native"), ("xnor", "portable"),
    ]  # fmt: skip
    assert [row["accuracy"] for row in result["rows"]] == [row["accuracy"] for row in ours["rows"]]
    assert all(row["latency_ms"]["p50"] > 0 and row["rss_run_bytes"] > 0 for row in result["rows"])
    again = bench.run([folder], server.device, min_runs=1, min_seconds=0.02)
    assert again["environments"][server.device]["sent_bytes"] == 0
