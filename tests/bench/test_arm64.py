"""`--device arm64`: files under an emulated ONNX Runtime."""

import io
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console

from edgenet import bench
from edgenet.bench.devices import arm64, binaries, emulator, prediction
from edgenet.bench.devices.base import Settings
from edgenet.bench.devices.binaries import ENVIRONMENT_VARIABLE
from edgenet.bench.devices.prediction import CORES, LABEL
from edgenet.errors import EdgenetError
from edgenet.report import markdown, table
from edgenet.runtime import InferenceSession
from edgenet.runtime.decoding import SequenceDecoder
from edgenet.tasks import load
from edgenet.tasks.held_out import HeldOut
from edgenet.tasks.measures import EXACT
from tests.bench.test_runner import pair
from tests.microcontroller.networks import lenet5
from tests.runtime import models


def test_missing_tools_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(EdgenetError, match=r"needs qemu-aarch64.*apt-get install qemu-user"):
        emulator.find_emulator()


def test_options_that_need_a_clock_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgenetError, match="one thread and no profile"):
        bench.get_device("arm64").measure([models.plain(tmp_path / "full.onnx")], Settings(threads=2), print)


# Runs this machine's programs as if it emulated a core, by a version of QEMU that takes no plugin.
STUB = """#!/bin/sh
[ "$1" = --version ] && { echo "qemu-aarch64 version 9.2.0 (Debian 1:9.2.0+ds-5)"; exit; }
[ "$1 $3" = "-cpu -L" ] || exit 99
shift 4
exec "$@"
"""


@pytest.fixture
def newer_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs, libraries = tmp_path / "programs", tmp_path / "libraries"
    for folder in (programs, libraries):
        folder.mkdir()
    (libraries / "libstdc++.so.6").touch()
    (programs / "qemu-aarch64").write_text(STUB)
    (programs / "qemu-aarch64").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(emulator, "_LIBRARIES", libraries)
    monkeypatch.setattr(arm64, "find_binaries", lambda _: binaries.find_binaries(platform.machine()))
    # Without cycles nothing that predicts them is needed.
    monkeypatch.setattr(prediction, "find_mca", lambda: pytest.fail("llvm-mca was looked for"))


@pytest.mark.usefixtures("newer_qemu")
def test_a_qemu_too_new_to_count_tells_all_but_cycles_and_says_why(tmp_path: Path) -> None:
    result = bench.run([models.run_folder(tmp_path / "tiny")], "arm64")
    assert [row["path"] for row in result["rows"]] == ["plain", "native", "portable"]
    for row in result["rows"]:
        assert row["verified"] == {"agreement": 1, "max_abs_error": 0, "samples": 40, "against": "this machine"}
        assert row["accuracy"]["samples"] == 40
        assert row["predicted"]["cores"] == {}
        assert row["valid"]
    assert result["rows"][-1]["size_ratio"]["value"] > 0
    for text in (printed(result), markdown(result)):
        assert "100.0% of 40" in text
        note = "emulated cortex-a72, without instructions and cycles: what counts them runs in QEMU up to version 8"
        assert f"{note} (Debian 12 has 7.2), and this is 9.2.0" in " ".join(text.split())


@pytest.mark.usefixtures("newer_qemu")
def test_networks_that_say_strings_have_their_accuracy(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    encoder, decoder, samples = pair(folder)
    held_out = HeldOut.load(samples)
    said = SequenceDecoder(*map(InferenceSession, (encoder, decoder)), held_out.begin, held_out.end)
    value = held_out.value(said.greedy(held_out.inputs, None, held_out.most_steps))
    for file in (encoder, decoder):
        file.rename(folder / f"full-{file.name}")
    (row,) = bench.run([folder], "arm64")["rows"]
    assert (row["verified"]["agreement"], row["verified"]["samples"]) == (1, 40)
    assert row["accuracy"] == {"metric": EXACT, "value": value, "samples": 40, "loss_vs_full": None}


def printed(result: dict[str, Any]) -> str:
    console = Console(width=200, file=io.StringIO())
    console.print(table(result))
    return console.file.getvalue()  # type: ignore[attr-defined]


def large(path: Path) -> Path:
    """Write a convolution of 60 billion multiply-adds, 20 minutes of emulation."""
    weight = numpy_helper.from_array(np.zeros((256, 256, 3, 3), np.float32), "weight")
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 256, side, side])
        for name, side in (("input", 322), ("output", 320))
    ]
    node = helper.make_node("Conv", ["input", "weight"], ["output"])
    graph = helper.make_graph([node], "large", described[:1], described[1:], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path


@pytest.mark.usefixtures("newer_qemu")
def test_how_long_a_large_network_takes_is_said_beforehand_and_of_a_small_one_nothing(tmp_path: Path) -> None:
    said: list[str] = []

    def stop(fraction: float, text: str) -> None:
        said.append(text)
        raise KeyboardInterrupt

    for file in (large(tmp_path / "large.onnx"), models.plain(tmp_path / "full.onnx")):
        with pytest.raises(KeyboardInterrupt):
            bench.run([file], "arm64", progress=stop)
    assert said == ["emulating large full (about 20 minutes in all)", "emulating tiny full"]


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


@pytest.mark.devices
def test_digits_keep_their_class(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(built))
    # All the samples a row may have, however slow this machine is.
    monkeypatch.setattr(arm64, "_ROW_SECONDS", 3600)
    path, _ = lenet5("xnor", tmp_path / "xnor.onnx")
    HeldOut.of(load("digits", (1, 32, 32))).save(tmp_path / "samples.npz")
    rows = bench.run([path], "arm64")["rows"]
    assert [row["path"] for row in rows] == ["native", "portable"]
    for row in rows:
        assert row["verified"]["samples"] == arm64._MOST_SAMPLES
        assert row["verified"]["agreement"] >= 0.995
