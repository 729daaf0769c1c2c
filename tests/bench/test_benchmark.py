"""Whole measurements of tiny networks, in real worker processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgenet import bench
from edgenet.bench import targets
from edgenet.bench.devices.cpu import CpuDevice
from edgenet.bench.devices.worker_process import WorkerProcess
from edgenet.bench.results import ROW_KEYS
from edgenet.errors import EdgenetError
from edgenet.runtime import library
from tests.runtime import models

QUICK = {"min_runs": 10, "min_seconds": 0.05}
PATHS = ["native", "portable"] if library.available() else ["portable"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.run_folder(tmp_path_factory.mktemp("bench") / "tiny-run")


@pytest.fixture(scope="module")
def result(folder: Path) -> dict:
    return bench.run([folder], command=["edgenet", "bench"], seed=7, **QUICK)


def test_a_run_folder_gives_a_row_a_file_and_path(result: dict) -> None:
    rows = [(row["scheme"], row["path"]) for row in result["rows"]]
    assert rows == [("full", "plain"), *[("xnor", path) for path in PATHS]]


def test_every_key_is_there_in_every_row_and_the_whole_is_json(result: dict) -> None:
    assert list(result) == ["schema", "created", "command", "seed", "environments", "failures", "rows"]
    assert (result["schema"], result["seed"], result["command"]) == (1, 7, ["edgenet", "bench"])
    assert all(tuple(row) == ROW_KEYS for row in result["rows"])
    assert json.loads(json.dumps(result)) == result


def test_the_environment_names_machine_and_versions(result: dict) -> None:
    stamp = result["environments"]["cpu"]
    keys = ["cpu", "isa", "cores", "threads", "governor", "load", "os", "python", "onnxruntime", "edgenet", "operators"]
    assert list(stamp) == keys
    assert (stamp["isa"], stamp["operators"]) == (library.isa(), library.version())
    assert stamp["threads"] == 1


def test_a_row_says_under_which_conditions_it_was_measured(result: dict) -> None:
    for row in result["rows"]:
        conditions = row["conditions"]
        assert list(conditions) == ["cores", "warm_up_seconds", "before", "after"]
        assert set(conditions["cores"]) <= os.sched_getaffinity(0)
        assert conditions["warm_up_seconds"] == pytest.approx(0.01)
        for moment in ("before", "after"):
            assert list(conditions[moment]) == ["governor", "limit_khz", "frequency_khz", "temperature_c", "load"]
            assert conditions[moment]["load"] >= 0
        assert conditions["after"]["governor"] == result["environments"]["cpu"]["governor"]
        assert row["rounds"]["measured"] >= row["rounds"]["kept"] >= 10


def test_the_seed_is_that_of_made_up_inputs_where_there_are_any(folder: Path, tmp_path: Path) -> None:
    assert bench.run([folder / "full.onnx"], accuracy=False, **QUICK)["seed"] is None
    alone = shutil.copy(folder / "full.onnx", tmp_path)
    assert bench.run([alone], accuracy=False, **QUICK)["seed"] == 0


def test_size_and_work_are_those_of_the_file(folder: Path, result: dict) -> None:
    full, xnor = result["rows"][0], result["rows"][-1]
    assert full["file_bytes"] == (folder / "full.onnx").stat().st_size
    assert (full["macs"], full["binary_macs"], full["operations"]) == (256, 0, 256)
    assert (xnor["macs"], xnor["binary_macs"], xnor["operations"]) == (0, 256, 4)
    assert xnor["size_ratio"] == {"over": "full", "value": full["file_bytes"] / xnor["file_bytes"]}
    assert full["size_ratio"] is None


def test_latencies_are_ordered_and_enough(result: dict) -> None:
    for row in result["rows"]:
        latency = row["latency_ms"]
        assert latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"]
        assert latency["runs"] >= 10
        assert latency["load"] > 0
        assert latency["first"] > 0
        assert row["throughput_per_s"] == pytest.approx(1e3 / latency["mean"])


def test_latencies_are_told_window_by_window_and_as_a_distribution(result: dict) -> None:
    for row in result["rows"]:
        latency = row["latency_ms"]
        assert 5 <= len(latency["windows"]) <= 15
        assert latency["p50"] == np.median(latency["windows"])
        assert len(latency["quantiles"]) == 21
        assert latency["low"] <= latency["p50"] <= latency["high"]
        assert latency["quantiles"] == sorted(latency["quantiles"])
        assert latency["quantiles"][0] == latency["min"]


def test_speedups_have_an_interval_and_only_others_than_full_have_one(result: dict) -> None:
    assert result["rows"][0]["speedup"] is None
    for row in result["rows"][1:]:
        assert row["speedup"]["over"] == "full"
        assert row["speedup"]["low"] <= row["speedup"]["median"] <= row["speedup"]["high"]
        assert row["speedup"]["median"] == pytest.approx(np.median(row["speedup"]["windows"]))


def test_every_window_of_a_long_measurement_has_processes_of_its_own(folder: Path) -> None:
    class Counting(CpuDevice):
        started = 0

        def start(self) -> WorkerProcess:
            self.started += 1
            return super().start()

    device = Counting()
    (row,) = bench.run([folder / "full.onnx"], device, min_runs=10, min_seconds=0.5)["rows"]
    assert device.started == len(row["latency_ms"]["windows"]) >= 5
    assert row["latency_ms"]["runs"] >= 10


def test_accuracy_comes_from_the_run_folders_samples(folder: Path, result: dict) -> None:
    with np.load(folder / "samples.npz") as samples:
        logits = np.where(samples["inputs"] >= 0, 1, -1) @ models.weights().T
        expected = (logits.argmax(1) == samples["targets"]).mean()
    full, xnor = result["rows"][0]["accuracy"], result["rows"][-1]["accuracy"]
    assert full == {"metric": "top1", "value": 1.0, "samples": 40, "loss_vs_full": None}
    assert xnor["value"] == pytest.approx(expected)
    assert xnor["loss_vs_full"] == pytest.approx(1 - expected)


def test_memory_is_counted_above_the_runtime(result: dict) -> None:
    for row in result["rows"]:
        assert 0 < row["rss_load_peak_bytes"] < 60e6
        assert 0 < row["rss_run_bytes"] < 60e6
    # One row of 64 floats in, 4 out; the portable path compares and selects beside its input.
    assert result["rows"][0]["activation_peak_bytes"] == 4 * (64 + 4)
    assert result["rows"][-1]["activation_peak_bytes"] >= 4 * (64 + 64)


def test_the_samples_are_used_alike_for_a_single_file(folder: Path) -> None:
    (row,) = bench.run([folder / "full.onnx"], **QUICK)["rows"]
    assert row["accuracy"]["value"] == 1
    assert row["speedup"] is None
    assert row["model"] == "tiny"


def test_a_recurrent_network_streams_from_a_zero_state(tmp_path: Path) -> None:
    file = models.recurrent(tmp_path / "full.onnx")
    inputs = np.random.default_rng(0).standard_normal((12, 5, models.INPUTS)).astype(np.float32)
    targets_ = (inputs.mean(1) @ models.weights().T).argmax(1)
    np.savez_compressed(tmp_path / "samples.npz", inputs=inputs, targets=targets_)
    (row,) = bench.run([file], **QUICK)["rows"]
    assert row["input"] == [1, 5, models.INPUTS]
    assert row["accuracy"]["value"] == 1


def test_a_file_of_others_with_open_sizes_runs_at_the_shape_asked_for(tmp_path: Path) -> None:
    node = onnx.helper.make_node("GlobalAveragePool", ["picture"], ["mean"])
    shape = ["n", "c", "h", "w"]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("picture", "mean")]
    graph = onnx.helper.make_graph([node], "graph", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, tmp_path / "other.onnx")
    (row,) = bench.run([tmp_path / "other.onnx"], shapes={"picture": [2, 1, 8, 8]}, **QUICK)["rows"]
    assert (row["input"], row["path"], row["accuracy"]) == ([2, 1, 8, 8], "plain", None)
    assert row["model"] == "other"
    (row,) = bench.run([tmp_path / "other.onnx"], **QUICK)["rows"]
    assert row["input"] == [1, 3, 224, 224]


def test_two_threads_are_measured_on_two_threads(folder: Path) -> None:
    result = bench.run([folder / "full.onnx"], threads=2, **QUICK)
    assert result["environments"]["cpu"]["threads"] == 2


def test_progress_runs_from_nothing_to_all(folder: Path) -> None:
    seen: list[float] = []
    bench.run([folder / "full.onnx"], progress=lambda fraction, text: seen.append(fraction), **QUICK)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 1)


def test_ctrl_c_keeps_what_was_measured_and_flags_it(folder: Path) -> None:
    def interrupt_soon(fraction: float, text: str) -> None:
        if text == "timing, window 1, round 5":
            threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

    (row,) = bench.run([folder / "full.onnx"], min_runs=10**9, min_seconds=600, progress=interrupt_soon)["rows"]
    assert row["latency_ms"]["runs"] > 0
    assert row["accuracy"]["value"] == 1
    assert not row["valid"]
    assert any(flag.startswith("too few runs") for flag in row["flags"])
    assert any(flag.startswith("too short") and "of 600 seconds" in flag for flag in row["flags"])
    assert "interrupted: 1 of 5 windows were timed" in row["flags"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"devices": "toaster"}, "no device 'toaster'; there is cpu"),
        ({"min_runs": 0}, "min_runs is 0"),
        ({"min_seconds": 0.0}, "min_seconds is 0.0"),
        ({"threads": 0}, "threads is 0"),
        ({"shapes": {"picture": [1, 64]}}, "no input 'picture'"),
        ({"shapes": {"input": [1, 5]}}, r"\[1, 5\] does not fit the file's input 'input' \[batch, 64\]"),
    ],
)
def test_bad_arguments_are_named(folder: Path, change: dict, message: str) -> None:
    with pytest.raises(EdgenetError, match=message):
        bench.run([folder / "full.onnx"], **{**QUICK, **change})


def test_two_runs_of_a_model_are_told_apart_and_compared_within_their_folders(tmp_path: Path) -> None:
    folders = [models.run_folder(tmp_path / name) for name in ("a", "b")]
    # A longer file, so that a ratio tells over which full it is.
    padded = onnx.load(folders[1] / "full.onnx")
    padded.doc_string = "b" * 5000
    onnx.save(padded, folders[1] / "full.onnx")
    result = bench.run(folders, **QUICK)
    files = [f"{name}/{file}" for name in "ab" for file in ("full.onnx", *["xnor.onnx"] * len(PATHS))]
    assert [row["file"] for row in result["rows"]] == files
    for row in result["rows"]:
        if row["scheme"] == "xnor":
            file = tmp_path / row["file"]
            ratio = file.with_name("full.onnx").stat().st_size / file.stat().st_size
            assert row["size_ratio"] == {"over": "full", "value": ratio}
            assert row["speedup"]["over"] == "full"
    comparison = bench.compare(result, result)
    assert len(comparison.rows) == len(result["rows"])
    assert comparison.rows[0].label == "a: tiny full plain"


def collected(*paths: Path) -> list[targets.Target]:
    return targets.collect(paths, native=False)


def test_files_of_two_runs_named_one_by_one_are_compared_within_their_folders(tmp_path: Path) -> None:
    a, b = (models.run_folder(tmp_path / name) for name in "ab")
    rows = collected(a / "full.onnx", b / "full.onnx", a / "xnor.onnx", b / "xnor.onnx")
    assert [row.name for row in rows] == ["a/full.onnx", "b/full.onnx", "a/xnor.onnx", "b/xnor.onnx"]
    assert [targets.reference(row, rows) for row in rows] == [0, 1, 0, 1]


def test_a_full_network_with_one_bit_layers_of_its_own_is_compared_path_by_path(tmp_path: Path) -> None:
    folder = models.run_folder(tmp_path / "net")
    full = (folder / "xnor.onnx").read_bytes()
    (folder / "full.onnx").write_bytes(full.replace(b"xnor", b"full"))
    rows = targets.collect([folder], native=True)
    assert [(row.scheme, row.native) for row in rows] == [(s, path) for s in ("full", "xnor") for path in (True, False)]
    assert [targets.reference(row, rows) for row in rows] == [0, 1, 0, 1]


def test_as_much_of_a_folder_is_told_as_tells_it_apart(tmp_path: Path) -> None:
    rows = collected(models.run_folder(tmp_path / "old" / "net"), models.run_folder(tmp_path / "new" / "net"))
    assert [row.name for row in rows if row.scheme == "full"] == ["old/net/full.onnx", "new/net/full.onnx"]


def test_names_stay_short_where_nothing_else_has_them(folder: Path) -> None:
    assert [row.name for row in collected(folder)] == ["full.onnx", "xnor.onnx"]
    assert [row.name for row in collected(folder, folder, folder / "xnor.onnx")] == ["full.onnx", "xnor.onnx"]


def test_bad_targets_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.onnx").write_text("no network")
    for path, message in [
        (tmp_path / "nothing", "nothing does not exist"),
        (tmp_path / "empty", r"empty holds no \.onnx file"),
        (tmp_path / "note.onnx", r"note\.onnx"),
    ]:
        with pytest.raises(EdgenetError, match=message):
            bench.run([path], **QUICK)


def test_the_newest_run_is_the_one_with_the_newest_file(tmp_path: Path) -> None:
    assert targets.newest_run(tmp_path / "runs") is None
    models.run_folder(tmp_path / "runs" / "b")
    models.run_folder(tmp_path / "runs" / "a")
    assert targets.newest_run(tmp_path / "runs") == tmp_path / "runs" / "a"


def test_bench_needs_no_torch(folder: Path) -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'lightning', 'onnxscript', 'matplotlib'): sys.modules[name] = None\n"
        "from edgenet import bench\n"
        f"assert bench.run([{str(folder)!r}], min_runs=1, min_seconds=0.01)['rows']\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
