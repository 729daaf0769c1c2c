"""Devices and the processes that they start."""

import sys
from pathlib import Path

import pytest

from edgenet import bench
from edgenet.bench.devices.cpu import CpuDevice
from edgenet.bench.devices.worker_process import WorkerProcess
from edgenet.errors import EdgenetError
from tests.runtime import models


def test_the_cpu_is_there_and_named() -> None:
    kinds = ["cpu", "arm64", "ssh://user@host[:port]", "adb:SERIAL", "cortex-m0|m3|m4|m7|m55"]
    assert [kind.pattern for kind in bench.list_kinds()] == kinds
    assert bench.get_device("cpu").environment(1)["cpu"]


def test_a_worker_that_dies_passes_on_its_last_words() -> None:
    script = "import sys; sys.exit('no room on this machine')"
    with (
        WorkerProcess([sys.executable, "-c", script]) as worker,
        pytest.raises(EdgenetError, match=r"was to warm up a model died: no room on this machine"),
    ):
        worker.call("warm_up", seconds=1)


def test_a_worker_that_is_killed_says_so() -> None:
    script = "import os; os.abort()"
    with WorkerProcess([sys.executable, "-c", script]) as worker, pytest.raises(EdgenetError, match="exit code -6"):
        worker.call("accuracy")


def test_several_devices_measure_in_one_run_and_rows_tell_which(tmp_path: Path) -> None:
    class Twin(CpuDevice):
        name = "twin"

    file = models.plain(tmp_path / "full.onnx")
    result = bench.run([file], ["cpu", Twin()], min_runs=1, min_seconds=0.02)
    assert [row["device"] for row in result["rows"]] == ["cpu", "twin"]
    assert result["environments"].keys() == {"cpu", "twin"}
    assert all(row["latency_ms"]["p50"] > 0 for row in result["rows"])
