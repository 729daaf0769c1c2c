"""`edgenet-runner`, the worker without Python, held to the one in Python."""

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgenet.bench.devices import binaries
from edgenet.bench.devices.cpu import CpuDevice
from edgenet.bench.devices.runner import LocalCarrier, RunnerProcess, pack, unpack
from edgenet.errors import EdgenetError
from tests.runtime import models


@pytest.fixture(scope="module")
def command() -> list[str]:
    found = binaries.find_binaries(platform.machine())
    return [str(found.runner), str(found.onnxruntime), str(found.library)]


@pytest.fixture
def runner(command: list[str], tmp_path: Path) -> Iterator[RunnerProcess]:
    with RunnerProcess(command, LocalCarrier(tmp_path)) as process:
        yield process


def load(process: Any, file: Path, native: bool | None = None, **arguments: Any) -> dict[str, Any]:
    settings = {"threads": 1, "cores": [], "shapes": {}, "samples": None, **arguments}
    return process.call("load", file=str(file), native=native, **settings)


def test_it_describes_its_machine(runner: RunnerProcess) -> None:
    described = runner.call("describe")
    ours = CpuDevice().environment(1)
    for key in ("cpu", "isa", "cores", "os", "onnxruntime", "operators"):
        assert described[key] == ours[key]
    assert described["memory_bytes"] > described["memory_available_bytes"] > 0
    health = runner.call("health")
    assert health["throttle_count"] >= 0
    assert health["governor"] == ours["governor"]
    assert health["load"] >= 0
    assert set(health["allowed_cores"]) == os.sched_getaffinity(0)
    assert len(runner.call("quiet_cores", count=1)) == 1


@pytest.mark.parametrize(
    ("name", "native", "path"), [("full", None, "plain"), ("xnor", True, "native"), ("xnor", False, "portable")]
)
def test_it_answers_as_the_worker_in_python(
    runner: RunnerProcess, tmp_path: Path, name: str, native: bool | None, path: str
) -> None:
    folder = models.run_folder(tmp_path / "run")
    arguments = {"file": folder / f"{name}.onnx", "native": native, "samples": str(folder / "samples.npz")}
    with CpuDevice().start() as python:
        expected = load(python, **arguments)
        accuracy = python.call("accuracy")
    loaded = load(runner, **arguments)
    assert loaded.keys() == expected.keys()
    assert (loaded["path"], loaded["input"]) == (path, expected["input"]) == (expected["path"], [1, models.INPUTS])
    assert loaded["load_ms"] > 0
    warm = runner.call("warm_up", seconds=0.02)
    assert warm["first_ms"] > 0 < warm["run_ms"]
    # Above a process that has only loaded ONNX Runtime; these models are tiny.
    assert 0 < loaded["rss_load_peak_bytes"] < 40e6
    assert 0 < warm["rss_run_bytes"] < 40e6
    block = runner.call("block", runs=20)
    assert 10 <= len(block["times_ms"]) <= 20
    assert block["disturbed"] is None or isinstance(block["disturbed"], str)
    assert runner.call("accuracy") == accuracy
    assert runner.call("activations") is None


def test_inputs_besides_the_first_and_open_sizes_are_filled_in(runner: RunnerProcess, tmp_path: Path) -> None:
    file = models.recurrent(tmp_path / "recurrent.onnx")
    assert load(runner, file)["input"] == [1, 32, models.INPUTS]
    assert load(runner, file, shapes={"input": [2, 5, models.INPUTS]})["input"] == [2, 5, models.INPUTS]
    assert runner.call("warm_up", seconds=0.01)["run_ms"] > 0


def test_several_threads_have_a_core_each(runner: RunnerProcess, tmp_path: Path) -> None:
    load(runner, models.plain(tmp_path / "full.onnx"), threads=2, cores=[0, 1])
    assert runner.call("warm_up", seconds=0.01)["run_ms"] > 0
    assert runner.call("block", runs=3)["times_ms"]


def test_every_type_of_tensor_travels_to_it_and_back(command: list[str], tmp_path: Path) -> None:
    types = ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64"]
    feeds = {name: np.arange(-3, 3).reshape(2, 3).astype(name) for name in types}
    feeds |= {"bool": np.array([[True, False]]), "none": np.zeros((0, 4), np.float32), "one": np.float32(7).reshape(())}
    described = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    outputs = [helper.make_tensor_value_info(f"{v.name}-out", v.type.tensor_type.elem_type, None) for v in described]
    nodes = [helper.make_node("Identity", [value.name], [f"{value.name}-out"]) for value in described]
    model = helper.make_model(
        helper.make_graph(nodes, "graph", described, outputs), opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    onnx.save(model, tmp_path / "identity.onnx")
    content, (tensors,) = pack([feeds])
    (tmp_path / "feeds").write_bytes(content)
    requests = [
        {"do": "load", "files": [str(tmp_path / "identity.onnx")], "native": False, "threads": 1, "cores": []},
        {"do": "run", "file": str(tmp_path / "feeds"), "tensors": tensors},
    ]
    _, reply = say(command, requests)
    for array, output in zip(feeds.values(), reply["ok"], strict=True):
        np.testing.assert_array_equal(unpack(output), array)
        assert unpack(output).dtype == array.dtype


def say(command: list[str], requests: list[Any]) -> list[dict[str, Any]]:
    lines = "".join((request if isinstance(request, str) else json.dumps(request)) + "\n" for request in requests)
    done = subprocess.run(command, input=lines, text=True, capture_output=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_it_cannot_do_is_one_sentence_and_it_goes_on(command: list[str], tmp_path: Path) -> None:
    file = str(models.plain(tmp_path / 'with "quotes" and \u20ac \U0001f600.onnx'))
    short = tmp_path / "short"
    short.write_bytes(b"1234")
    load = {"do": "load", "files": [file], "native": False, "threads": 1, "cores": []}
    feed = {"do": "feed", "file": str(short), "tensors": [{"name": "input", "type": 1, "shape": [1, 64], "offset": 0}]}
    requests = [
        {"do": "block", "runs": 1}, '{"do": ', '{"do": 3}', "[]", {**load, "files": ["/no/such/file.onnx"]}, load,
        {"do": "dance"}, {"do": "block", "runs": 1}, feed, {**feed, "file": "/no/such/file"},
        {**feed, "tensors": [{"name": "input", "type": 8, "shape": [1], "offset": 0}]},
    ]  # fmt: skip
    errors = [reply.get("error", "") for reply in say(command, requests)]
    assert "no model has been loaded" in errors[0]
    assert "no JSON at character 7" in errors[1]
    assert "/no/such/file.onnx" in errors[4]
    assert errors[5] == ""
    assert "fed nothing" in errors[6] + errors[7]
    assert "ends before" in errors[8]
    assert "/no/such/file cannot be read: No such file" in errors[9]
    assert "element type 8" in errors[10]
    assert all("\n" not in error and error for index, error in enumerate(errors) if index != 5)


def test_a_model_that_cannot_run_natively_is_said_so(command: list[str], tmp_path: Path) -> None:
    file = models.plain(tmp_path / "full.onnx")
    with (
        RunnerProcess(command, LocalCarrier(tmp_path)) as process,
        pytest.raises(EdgenetError, match="none of the library's kernels"),
    ):
        load(process, file, native=True)
    with (
        RunnerProcess(command[:2], LocalCarrier(tmp_path)) as process,
        pytest.raises(EdgenetError, match="no operator library"),
    ):
        load(process, file, native=True)


def test_it_says_why_it_does_not_start(command: list[str]) -> None:
    done = subprocess.run([command[0]], text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: edgenet-runner")
    done = subprocess.run([command[0], command[2]], text=True, capture_output=True, check=False, input="")
    assert done.returncode == 1
    assert "is no ONNX Runtime" in done.stderr


def test_it_ends_when_nobody_reads_its_replies_though_its_input_stays_open(command: list[str]) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(10) == 1
