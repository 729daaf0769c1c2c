"""`python -m benchmarks.kernels` and `python -m benchmarks.peers`: the rows they write, and their errors."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click import ClickException
from click.testing import CliRunner

from benchmarks.graphs import Graph
from benchmarks.growth.__main__ import main as growth
from benchmarks.growth.axes import Axis
from benchmarks.kernels.__main__ import main as kernels
from benchmarks.layers import LAYERS, QUICK, RECURRENT, Convolution, Linear, Recurrent
from benchmarks.memory.__main__ import held
from benchmarks.peers.__main__ import main as peers
from benchmarks.study import chosen_isas
from edgenet.runtime import InferenceSession, library
from tests import reference

ROW_KEYS = {
    "op", "shape", "scheme", "from", "to", "isa", "implementation", "median_us", "ratios", "of_roofline",
}  # fmt: skip
SMALL = (
    Convolution(9, 16, 8, stride=2), Convolution(8, 16, 16, 1), Convolution(16, 3, 8, 7, 2, binarized=False),
    Linear(20, 7), *(Recurrent(op, 20, 12, 3) for op in ("rnn", "lstm", "gru")),
)  # fmt: skip


@pytest.mark.parametrize("layer", SMALL, ids=lambda layer: layer.name)
def test_every_version_of_a_layer_gives_what_its_shape_says(layer) -> None:
    (reference,) = InferenceSession(layer.full()).run(layer.feeds())
    outputs = 1
    for size in layer.output_shape:
        outputs *= size
    assert reference.size == outputs
    for scheme in layer.schemes:
        (ours,) = InferenceSession(layer.binary(scheme, functions=True), native=False).run(layer.feeds())
        assert ours.shape == layer.output_shape


def test_every_shape_has_a_name_of_its_own_and_the_quick_ones_are_among_them() -> None:
    names = [layer.name for layer in LAYERS]
    assert len(set(names)) == len(names)
    assert set(QUICK) <= set(LAYERS)


def test_work_is_counted_as_the_definition_has_it() -> None:
    assert Convolution(56, 64, 64).macs == 56 * 56 * 64 * 64 * 9
    assert Convolution(56, 64, 128, stride=2).macs == 28 * 28 * 64 * 128 * 9
    assert Linear(4096, 4096).macs == 4096**2
    assert RECURRENT[0].macs == 100 * 2 * 1024**2
    assert Linear(4096, 4096).bytes_moved(1) == 4096**2 / 8 + 4 * 2 * 4096


def test_kernels_writes_a_row_an_implementation(tmp_path: Path) -> None:
    file = tmp_path / "kernels.json"
    done = CliRunner().invoke(kernels, ["--quick", "--only", "linear-512", "--json", str(file)])
    assert done.exit_code == 0, done.output
    assert "| linear | 512-1000 | xnor | edgenet |" in done.stdout
    written = json.loads(file.read_text())
    assert set(written) == {"environment", "rows"}
    assert written["environment"]["onnxruntime"]
    rows = written["rows"]
    assert all(set(row) >= ROW_KEYS for row in rows)
    isas = {row["isa"] for row in rows if row["implementation"] == "edgenet" and row["scheme"] == "xnor"}
    assert isas == {isa for isa in library.isas() if isa in ("avx2", "avx512")} or isas == set(library.isas())
    assert [row["isa"] for row in rows if row["implementation"] == "ort"] == [None]
    for row in rows:
        assert row["median_us"] > 0
        if row["implementation"].startswith("edgenet"):
            ratio = row["ratios"]["ort-fp32"]
            assert ratio["low"] <= ratio["median"] <= ratio["high"]
        else:
            assert row["ratios"] == {}
    assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_peers_compares_with_those_that_are_installed(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    done = CliRunner().invoke(peers, ["--quick", "--only", "linear-512", "--json", str(file)])
    assert done.exit_code == 0, done.output
    rows = json.loads(file.read_text())["rows"]
    (ours,) = (row for row in rows if row["implementation"] == "edgenet" and row["scheme"] == "xnor")
    assert {"ort-fp32", "ort-int8", "ort-2bit", "ort-4bit"} <= set(ours["ratios"])
    for name, implementation in (("openvino", "openvino"), ("ai-edge-litert", "litert"), ("torch", "torch")):
        measured = any(row["implementation"] == implementation for row in rows)
        assert measured != (f"left out: {name}: not installed" in done.stdout)


@pytest.mark.parametrize("study", [kernels, peers])
def test_an_unknown_shape_is_refused_with_the_names_there_are(study) -> None:
    done = CliRunner().invoke(study, ["--only", "conv9x9"])
    assert done.exit_code == 1
    assert "there are conv3x3-56x56x64-64" in done.stderr


def test_an_instruction_set_that_does_not_run_here_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(library, "isas", lambda: ["scalar", "avx2"])
    with pytest.raises(ClickException, match="does not run avx512"):
        chosen_isas("avx512")


def test_the_widest_instruction_set_is_the_last_that_runs_here() -> None:
    assert chosen_isas(None, widest_only=True) == chosen_isas(None)[-1:]
    assert chosen_isas("scalar") == ["scalar"]


def test_growth_writes_a_point_a_size_and_a_plot_an_axis(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "growth.json"
    words = ["--quick", "--only", "sequence", "--json", str(file), "--plot", str(tmp_path / "plots")]
    monkeypatch.setattr("benchmarks.growth.__main__.AXES", (Axis("sequence", "RNN", (1, 4, 8), _rnn),))
    done = CliRunner().invoke(growth, words)
    assert done.exit_code == 0, done.output
    written = json.loads(file.read_text())
    assert {(row["value"], row["implementation"]) for row in written["rows"]} >= {
        (1, "ort"),
        (8, "ort"),
        (8, "edgenet"),
    }
    assert all(row["ps_per_mac"] == row["best_us"] * 1e6 / row["macs"] for row in written["rows"])
    assert (tmp_path / "plots" / "sequence.png").read_bytes().startswith(b"\x89PNG")


def _rnn(steps: int) -> Recurrent:
    return Recurrent("rnn", 16, 16, steps)


def test_a_holder_reports_what_a_model_adds_to_its_process(tmp_path: Path) -> None:
    files = []
    for outputs in (1, 2000):
        graph = Graph()
        graph.add("Flatten", ["input"], ["flat"])
        graph.add("Gemm", ["flat", graph.floats(3 * 32 * 32, outputs)], ["y"])
        files.append(tmp_path / f"{outputs}.onnx")
        files[-1].write_bytes(graph.model({"input": [1, 3, 32, 32]}, {"y": [1, outputs]}))
    trivial = tmp_path / "trivial.onnx"
    graph = Graph()
    graph.add("Relu", ["x"], ["y"])
    trivial.write_bytes(graph.model({"x": [1]}, {"y": [1]}))
    small, large = (held(trivial, file, "plain", 32, 1) for file in files)
    weights = 4 * 3 * 32 * 32 * 2000
    assert small["loaded"] < weights / 2 < weights <= large["loaded"] <= large["peak"] + weights
    assert large["after_runs"] >= weights


if find_spec("openvino"):  # it is no part of what the tests install

    def test_openvinos_binary_convolution_computes_what_ours_does() -> None:
        from benchmarks.peers.openvino_cpu import OpenVino, binary_convolution

        layer = Convolution(7, 128, 64)
        random = np.random.default_rng(0)
        threshold = random.standard_normal((1, 128, 1, 1), np.float32)
        signs = random.integers(0, 2, layer.weight_shape, dtype=np.uint8).astype(np.float32) * 2 - 1
        scale, bias = random.random((1, 64, 1, 1), np.float32), random.standard_normal((1, 64, 1, 1), np.float32)
        x = layer.feeds()["x"]
        expected = reference.xnor_conv2d(
            x, threshold.ravel(), signs, scale.ravel(), bias.ravel(), strides=(1, 1), pads=(1, 1, 1, 1)
        )
        request = OpenVino()._core.compile_model(binary_convolution(layer), "CPU").create_infer_request()
        request.infer({"x": x})
        found = request.get_output_tensor(0).data
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
