"""Networks on emulated microcontrollers, and what is said where they cannot be."""

import json
import re
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

from edgenet import bench
from edgenet.bench import subjects
from edgenet.bench.devices import cortex_m
from edgenet.bench.devices.base import Settings
from edgenet.bench.devices.cortex_m import CortexMDevice, Measured
from edgenet.bench.devices.limits import MemoryLimits, parse_bytes
from edgenet.cli import main
from edgenet.errors import EdgenetError
from edgenet.microcontroller.host import HostProgram
from edgenet.runtime import InferenceSession
from edgenet.tasks import load, load_sequences
from edgenet.tasks.held_out import HeldOut
from tests.microcontroller.networks import frame_classifier, lenet5


def test_sizes_of_memory_are_read():
    assert [parse_bytes(text) for text in ("65536", "64K", "64 KiB", "1m", None)] == [
        65536,
        65536,
        65536,
        1 << 20,
        None,
    ]
    for text in ("", "0", "64G", "-1", "1.5K"):
        with pytest.raises(EdgenetError, match="is no size of memory; write it as 65536, 64K or 1M"):
            parse_bytes(text)


def test_limits_are_for_microcontrollers_only():
    assert bench.get_device("cortex-m4", flash="256K", ram="64K").limits == MemoryLimits(262144, 65536)
    with pytest.raises(EdgenetError, match="--flash and --ram are for microcontrollers, not for cpu"):
        bench.get_device("cpu", flash="1M")


def test_an_unknown_core_is_answered_with_those_there_are():
    with pytest.raises(EdgenetError, match=r"no device 'cortex-m9'; of its kind there is cortex-m0, .*cortex-m55"):
        bench.get_device("cortex-m9")


def test_missing_tools_are_named_with_their_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    sentence = (
        "arm-none-eabi-gcc and qemu-system-arm are not installed; get them with apt-get install gcc-arm-none-eabi"
    )
    with pytest.raises(EdgenetError, match=sentence):
        bench.run([tmp_path], "cortex-m4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lenet5")
    for scheme in ("full", "bwn", "xnor"):
        lenet5(scheme, folder / f"{scheme}.onnx")
    return folder


class OnThisMachine(CortexMDevice):
    """A microcontroller whose C this machine runs, so that neither compiler nor emulator is needed."""

    instructions: ClassVar = {"full": 20_000_000, "xnor": 1_000_000}

    def _build(self, folder, flash, ram, stack):
        return folder

    def _run(self, folder, image, program, samples):
        with HostProgram(program) as network:
            outputs = [array.ravel() for sample in samples for array in network.run(sample)]
        count = self.instructions[program.graph.metadata["edgenet.scheme"]]
        return Measured(count, stack=100, outputs=np.concatenate(outputs))


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(cortex_m, "_need_tools", lambda: None)
    monkeypatch.setattr(cortex_m, "_sections", lambda image: (1000, 100))
    return OnThisMachine(bench.get_device("cortex-m4").core)


def measured(device, path, **settings):
    rows = device.measure([path], Settings(**settings), lambda fraction, text: None)
    return {row["scheme"]: row for row in rows}


def answered_in_onnx_runtime(path, count):
    """The accuracy of the .onnx file on the first samples beside it."""
    held_out = HeldOut.load(path.with_name("samples.npz")).part(slice(0, count))
    subject = subjects.SingleFile(InferenceSession(path, native=False), held_out, {})
    return subjects.accuracy(held_out, subject.fixed_batch, subject.answers)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    for scheme in ("full", "xnor"):
        lenet5(scheme, folder / f"{scheme}.onnx")
    HeldOut.of(load("digits", (1, 32, 32))).save(folder / "samples.npz")
    return folder


def test_a_row_has_the_accuracy_of_the_samples_that_ran(digits, here):
    row = measured(here, digits / "xnor.onnx", min_runs=40)["xnor"]
    assert row["microcontroller"]["samples"] == 40
    assert row["accuracy"] == {**answered_in_onnx_runtime(digits / "xnor.onnx", 40), "loss_vs_full": None}
    assert measured(here, digits / "xnor.onnx", min_runs=2, accuracy=False)["xnor"]["accuracy"] is None


def test_a_loss_is_only_told_of_the_same_samples(digits, here):
    rows = measured(here, digits, min_runs=10)
    values = [rows[scheme]["accuracy"]["value"] for scheme in ("full", "xnor")]
    assert rows["xnor"]["accuracy"]["loss_vs_full"] == pytest.approx(values[0] - values[1])
    assert rows["xnor"]["microcontroller"]["instructions_ratio"] == {"over": "full", "value": 20}
    # There is time for 20 samples of full, and for all of xnor.
    rows = measured(here, digits, min_runs=30)
    assert [rows[scheme]["accuracy"]["samples"] for scheme in ("full", "xnor")] == [20, 30]
    assert rows["xnor"]["accuracy"]["loss_vs_full"] is None


def test_samples_of_unequal_lengths_have_their_accuracy(tmp_path, here, monkeypatch):
    path, _ = frame_classifier("gru", "xnor", tmp_path / "net.onnx")
    monkeypatch.setattr(here, "instructions", {None: 1, "xnor": 1})
    HeldOut.of(load_sequences("japanese-vowels")).save(tmp_path / "samples.npz")
    (row,) = measured(here, path, min_runs=12).values()
    assert row["accuracy"] == {**answered_in_onnx_runtime(path, 12), "loss_vs_full": None}


def test_options_that_mean_nothing_there_are_said_to_have_no_effect(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["bench", str(tmp_path), "--device", "cortex-m4", "--min-runs", "2"]
    done = CliRunner().invoke(main, [*words, "--threads", "2", "--min-seconds", "1"])
    sentence = "--threads and --min-seconds have no effect on cortex-m4, where nothing is timed."
    assert done.stderr.splitlines()[0] == sentence
    assert "effect" not in CliRunner().invoke(main, words).output
    done = CliRunner().invoke(main, ["bench", str(tmp_path), "--device", "arm64", "--min-runs", "50"])
    assert done.stderr.startswith("--min-runs has no effect on arm64")


@pytest.mark.devices
def test_binary_lenet5_on_a_cortex_m4_takes_an_eighth_of_the_flash_and_a_fifth_of_the_instructions(folder):
    rows = bench.run([folder], "cortex-m4", min_runs=4)["rows"]
    found = {row["scheme"]: row["microcontroller"] for row in rows}
    assert all(row["valid"] and row["path"] == "c" and row["latency_ms"] is None for row in rows)
    assert found["xnor"]["flash_bytes"] <= found["full"]["flash_bytes"] / 8
    assert found["xnor"]["instructions"] <= found["full"]["instructions"] / 5
    assert found["xnor"]["outputs_equal"] == found["xnor"]["outputs_checked"] == 40
    assert found["full"]["max_abs_error"] < 1e-4
    assert all(value["same_class"] == 1 and value["stack_bytes"] > 0 for value in found.values())


@pytest.mark.devices
def test_all_of_two_hundred_digits_are_answered_on_a_cortex_m4_as_in_onnx_runtime(digits):
    (row,) = bench.run([digits / "xnor.onnx"], "cortex-m4", min_runs=200)["rows"]
    found = row["microcontroller"]
    assert (found["samples"], found["outputs_equal"], found["outputs_checked"]) == (200, 2000, 2000)
    assert row["accuracy"] == {**answered_in_onnx_runtime(digits / "xnor.onnx", 200), "loss_vs_full": None}


@pytest.mark.devices
def test_instructions_are_the_same_in_every_run(folder):
    runs = [bench.run([folder / "xnor.onnx"], "cortex-m4", min_runs=2)["rows"][0] for _ in range(2)]
    # The timer ticks every 40 instructions.
    counts = [row["microcontroller"]["instructions"] for row in runs]
    assert abs(counts[0] - counts[1]) <= 80


@pytest.mark.devices
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "cortex-m7", "cortex-m55"])
def test_every_core_gives_the_outputs_of_the_file(core, folder):
    found = bench.run([folder / "xnor.onnx"], core, min_runs=2)["rows"][0]["microcontroller"]
    assert found["outputs_equal"] == found["outputs_checked"] == 20
    assert found["fits"]


@pytest.mark.devices
def test_a_recurrent_network_runs_for_as_many_steps_as_a_sample_has(tmp_path):
    path, _ = frame_classifier("gru", "xnor", tmp_path / "net.onnx", bidirectional=True)
    row = bench.run([path], "cortex-m4", min_runs=2)["rows"][0]
    assert row["microcontroller"]["outputs_equal"] == row["microcontroller"]["outputs_checked"] == 18


@pytest.mark.devices
def test_a_part_that_is_too_small_is_told_by_how_much(folder, tmp_path):
    words = ["bench", str(folder), "--device", "cortex-m4", "--flash", "128K", "--ram", "4K", "--min-runs", "1"]
    done = CliRunner().invoke(main, [*words, "--json", str(tmp_path / "result.json")])
    assert done.exit_code == 0
    assert re.search(
        r"full c: does not fit: needs \d+ bytes of flash, \d+ more than there are", " ".join(done.output.split())
    )
    rows = json.loads((tmp_path / "result.json").read_text())["rows"]
    full, xnor = (next(row for row in rows if row["scheme"] == scheme) for scheme in ("full", "xnor"))
    assert full["microcontroller"]["flash_overflow_bytes"] > 100_000
    assert xnor["microcontroller"]["flash_overflow_bytes"] == 0
    assert xnor["microcontroller"]["ram_overflow_bytes"] > 0
    assert not full["valid"]
    assert not full["microcontroller"]["fits"]


@pytest.mark.devices
def test_a_network_too_large_for_the_emulated_board_is_a_row_that_says_so(folder):
    from dataclasses import replace

    device = bench.get_device("cortex-m4")
    device.core = replace(device.core, flash=4096)
    row = bench.run([folder / "xnor.onnx"], device, min_runs=1)["rows"][0]
    assert row["microcontroller"]["instructions"] is None
    assert not row["microcontroller"]["fits"]
    assert "does not fit the emulated board" in row["flags"][0]
