"""Networks on emulated microcontrollers, and what is said where they cannot be."""

import json
import re

import pytest
from click.testing import CliRunner

from edgenet import bench
from edgenet.bench.devices.limits import MemoryLimits, parse_bytes
from edgenet.cli import main
from edgenet.errors import EdgenetError
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
