"""`edgenet-runner`, the worker without Python, held to the one in Python."""

import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgenet.bench.devices import binaries
from edgenet.bench.devices.cpu import CpuDevice
from edgenet.bench.devices.runner import LocalCarrier, RunnerProcess, pack, unpack
from edgenet.bench.health import Health
from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession
from edgenet.runtime.decoding import SequenceDecoder
from edgenet.tasks.catalog import TRANSDUCTION
from edgenet.tasks.held_out import HeldOut
from edgenet.tasks.measures import EXACT
from edgenet.tasks.ragged import Ragged
from tests.bench.test_profiling import convolutional
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
    assert health["load"] >= 0
    told, here = Health.told(health), CpuDevice().health()
    assert {core: (clock.governor, clock.limit_khz) for core, clock in told.clocks.items()} == {
        core: (clock.governor, clock.limit_khz) for core, clock in here.clocks.items()
    }
    assert told.throttled == here.throttled
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
        accuracy, peak = python.call("accuracy"), python.call("activations")
        python_block = python.call("block", runs=20)
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
    assert block["company"] >= 0
    assert block.keys() == python_block.keys()
    # On the same machine either both find a counter or neither.
    assert (block["energy_mj"] is None) == (python_block["energy_mj"] is None)
    assert runner.call("accuracy") == accuracy
    assert runner.call("activations") == peak > 0


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


def test_it_ends_when_it_hears_nothing_for_long_though_its_input_stays_open(command: list[str]) -> None:
    patient = [command[0], "--idle", "3", *command[1:]]
    with subprocess.Popen(patient, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # Empty lines keep it, and have no reply.
        for _ in range(16):
            time.sleep(0.25)
            process.stdin.write(b"\n")
            process.stdin.flush()
        process.stdin.write(b'{"do": "health"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["ok"]
        assert process.wait(10) == 1
        assert process.stdout.read() == b""
        assert process.stderr.read().endswith(b"asked nothing for as long as --idle says, and has ended\n")


def test_work_is_no_idleness(command: list[str], tmp_path: Path) -> None:
    patient = [command[0], "--idle", "1", *command[1:]]
    with RunnerProcess(patient, LocalCarrier(tmp_path)) as process:
        load(process, models.plain(tmp_path / "full.onnx"))
        assert process.call("warm_up", seconds=1.5)["run_ms"] > 0


@pytest.mark.parametrize("words", [["--idle"], ["--idle", "0"], ["--idle", "soon"], ["--idle", "5x"], ["--idle", "-1"]])
def test_an_idle_time_that_is_none_is_refused(command: list[str], words: list[str]) -> None:
    done = subprocess.run([command[0], *words, *command[1:]], text=True, capture_output=True, check=False, input="")
    assert done.returncode == 2
    assert "[--idle SECONDS]" in done.stderr


def test_an_encoder_and_its_decoder_say_the_same_as_from_python(runner: RunnerProcess, tmp_path: Path) -> None:
    encoder, decoder, samples = pair(tmp_path)
    arguments = {"file": decoder, "encoder": str(encoder), "samples": str(samples)}
    with CpuDevice().start() as python:
        expected = load(python, **arguments)
        accuracy = python.call("accuracy")
    loaded = load(runner, **arguments)
    assert (loaded["path"], loaded["input"]) == ("plain", expected["input"])
    assert runner.call("warm_up", seconds=0.01)["run_ms"] > 0
    assert runner.call("block", runs=2)["times_ms"]
    assert 0 < accuracy["value"] < 1
    assert runner.call("accuracy") == accuracy


def what_ran(profile: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All of a profile but its times, which are no less than nothing."""
    assert all(row["ms"] >= 0 for row in profile)
    assert sum(row["share"] for row in profile) == pytest.approx(1)
    return [{key: value for key, value in row.items() if key not in ("ms", "share")} for row in profile]


@pytest.mark.parametrize(
    ("write", "native"), [(models.plain, None), (models.xnor, True), (models.xnor, False), (convolutional, None)]
)
def test_a_profile_has_the_layers_of_that_of_the_worker_in_python(
    command: list[str], tmp_path: Path, write: Callable[[Path], Path], native: bool | None
) -> None:
    file, sent = write(tmp_path / "net.onnx"), tmp_path / "sent"
    sent.mkdir()
    with CpuDevice().start() as python, RunnerProcess(command, LocalCarrier(sent)) as runner:
        for process in (python, runner):
            load(process, file, native)
        profile = runner.call("profile")
        assert what_ran(profile) == what_ran(python.call("profile"))
        # Its session has gone, and the loaded one is still there.
        assert runner.call("block", runs=1)["times_ms"]
    assert all(row["ms"] > 0 for row in profile)
    assert [path for path in sent.iterdir() if path.is_dir()] == []


def test_a_profile_of_an_encoder_and_its_decoder_has_the_layers_of_both(runner: RunnerProcess, tmp_path: Path) -> None:
    encoder, decoder, samples = pair(tmp_path)
    arguments = {"file": decoder, "encoder": str(encoder), "samples": str(samples)}
    with CpuDevice().start() as python:
        load(python, **arguments)
        expected = python.call("profile")
    load(runner, **arguments)
    layers = what_ran(runner.call("profile"))
    assert layers == what_ran(expected)
    assert {row["layer"].partition(".")[0] for row in layers} == {"encoder", "decoder"}


def test_a_model_runs_under_a_profile_as_often_as_asked_and_leaves_nothing(command: list[str], tmp_path: Path) -> None:
    file = models.plain(tmp_path / "full.onnx")
    content, (tensors,) = pack([{"input": np.ones((1, models.INPUTS), np.float32)}])
    (tmp_path / "feeds").write_bytes(content)
    (tmp_path / "broken.onnx").write_bytes(b"1234")
    feed = {"file": str(tmp_path / "feeds"), "tensors": tensors}
    request = {"do": "profile", "native": False, "shapes": False, "model": str(file), **feed}
    replies = say(
        command,
        [
            {**request, "seconds": 0, "least": 3, "most": 9},
            {**request, "seconds": 60, "least": 3, "most": 9},
            {**request, "seconds": 60, "least": 3, "most": 9, "model": str(tmp_path / "broken.onnx")},
        ],
    )
    counts = [sum(event["name"] == "model_run" for event in reply["ok"]["events"]) for reply in replies[:2]]
    # The first run does not count.
    assert counts == [4, 10]
    assert "broken.onnx" in replies[2]["error"]
    assert {path.name for path in tmp_path.iterdir()} == {"full.onnx", "feeds", "broken.onnx"}


def pair(folder: Path, words: int = 6, width: int = 8) -> tuple[Path, Path, Path]:
    """Write an encoder and a decoder of random weights, and samples of which they get some right."""
    random = np.random.default_rng(0)
    weights = {name: random.standard_normal((words, width)).astype(np.float32) for name in ("embedding", "said")}
    # Padding and the mark of the beginning are never said, and now and then the end is.
    weights["bias"] = np.array([-99, -99, 1, *[0] * (words - 3)], np.float32)
    weights["said"] = np.ascontiguousarray(weights["said"].T)
    initializers = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    axes = [onnx.numpy_helper.from_array(np.array([axis]), f"axis{axis}") for axis in (0, 1)]

    def write(name: str, nodes: list[onnx.NodeProto], inputs: list[Any], outputs: list[Any]) -> Path:
        graph = helper.make_graph(nodes, name, inputs, outputs, [*initializers, *axes])
        path = folder / f"{name}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
        return path

    def value(name: str, kind: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)

    memory, state = value("memory", "float32", "n", "t", width), value("state", "float32", 1, "n", width)
    lengths = value("memory_lengths", "int64", "n")
    encoder = write(
        "encoder",
        [
            helper.make_node("Gather", ["embedding", "input"], ["memory"]),
            helper.make_node("ReduceMean", ["memory", "axis1"], ["mean"], keepdims=0),
            helper.make_node("Unsqueeze", ["mean", "axis0"], ["state"]),
            helper.make_node("Sign", ["input"], ["real"]),
            helper.make_node("ReduceSum", ["real", "axis1"], ["memory_lengths"], keepdims=0),
        ],
        [value("input", "int64", "n", "t")],
        [memory, state, lengths],
    )
    decoder = write(
        "decoder",
        [
            helper.make_node("Gather", ["embedding", "input"], ["read"]),
            helper.make_node("ReduceMean", ["memory", "axis1"], ["seen"], keepdims=1),
            helper.make_node("Transpose", ["state"], ["before"], perm=[1, 0, 2]),
            helper.make_node("Cast", ["memory_lengths"], ["length"], to=1),
            helper.make_node("Unsqueeze", ["length", "axis1"], ["column"]),
            helper.make_node("Unsqueeze", ["column", "axis1"], ["long"]),
            helper.make_node("Reciprocal", ["long"], ["short"]),
            helper.make_node("Sum", ["read", "seen", "before", "short"], ["sum"]),
            helper.make_node("Tanh", ["sum"], ["now"]),
            helper.make_node("MatMul", ["now", "said"], ["scores"]),
            helper.make_node("Add", ["scores", "bias"], ["logits"]),
            helper.make_node("Transpose", ["now"], ["following"], perm=[1, 0, 2]),
        ],
        [value("input", "int64", "n", 1), state, memory, lengths],
        [value("logits", "float32", "n", 1, words), value("following", "float32", 1, "n", width)],
    )
    begin, end, count = 1, 2, 40
    inputs = random.integers(3, words, (count, 5))
    sessions = [InferenceSession(encoder), InferenceSession(decoder)]
    said = SequenceDecoder(*sessions, begin, end).greedy(inputs, None, 12)
    # Half of them as they will be said, the others not.
    right = [tokens if number % 2 else [*tokens, 3] for number, tokens in enumerate(said)]
    targets = Ragged.of([np.array([begin, *tokens, end]) for tokens in right])
    references = Ragged.of([np.array(tokens or [3]) for tokens in right])
    samples = HeldOut(
        inputs, targets.padded(), np.full(count, 5), np.asarray(targets.lengths), references.padded(), np.arange(count),
        task=TRANSDUCTION, metric=EXACT, begin=begin, end=end,
    )  # fmt: skip
    samples.save(folder / "samples.npz")
    return encoder, decoder, folder / "samples.npz"
