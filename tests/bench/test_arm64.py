"""`--device arm64`: files under an emulated ONNX Runtime."""

import shutil
from pathlib import Path

import pytest

from edgenet import bench
from edgenet.bench.devices import emulator
from edgenet.bench.devices.base import Settings
from edgenet.bench.devices.binaries import ENVIRONMENT_VARIABLE
from edgenet.bench.devices.prediction import CORES, LABEL
from edgenet.errors import EdgenetError
from tests.runtime import models


def test_missing_tools_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(EdgenetError, match=r"needs qemu-aarch64.*apt-get install qemu-user"):
        emulator.find_emulator()


def test_options_that_need_a_clock_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgenetError, match="one thread and no profile"):
        bench.get_device("arm64").measure([models.plain(tmp_path / "full.onnx")], Settings(threads=2), print)


@pytest.mark.devices
def test_files_answer_as_here_and_cycles_are_predicted(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(built))
    folder = tmp_path / "tiny"
    models.run_folder(folder)
    result = bench.run([folder], "arm64")
    assert {(row["scheme"], row["path"]) for row in result["rows"]} == {
        ("full", "plain"), ("xnor", "native"), ("xnor", "portable"),
    }  # fmt: skip
    for row in result["rows"]:
        assert row["verified"]["agreement"] == 1
        assert row["verified"]["max_abs_error"] < 1e-5
        assert row["accuracy"]["samples"] == row["verified"]["samples"] == 40
        assert row["latency_ms"] is row["speedup"] is row["rss_run_bytes"] is None
        assert row["predicted"]["label"] == LABEL
        assert row["predicted"]["cores"].keys() == set(CORES)
        for figures in row["predicted"]["cores"].values():
            assert 0 < figures["instructions"] < 1e6
            assert figures["cycles"] > 0
            assert figures["covered"] > 0.9
    assert result["rows"][-1]["size_ratio"]["value"] > 0
