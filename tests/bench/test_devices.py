"""Devices and the processes that they start."""

import sys

import pytest

from edgenet import bench
from edgenet.bench.devices import WorkerProcess
from edgenet.errors import EdgenetError


def test_the_cpu_is_there_and_named() -> None:
    assert [device.name for device in bench.list_devices()] == ["cpu"]
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
