"""Networks compiled to WebAssembly give in Node what their .onnx files give, of the same feeds."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.browser.__main__ import main as study
from edgenet.cli import main
from edgenet.microcontroller import compile_network
from edgenet.microcontroller.samples import Comparison, Feeds, compare
from edgenet.microcontroller.webassembly import compile_wasm, run_in_node
from edgenet.runtime import InferenceSession
from tests.apps.conftest import APPS, CACHE, Digits, program
from tests.microcontroller.networks import cifar_resnet, frame_classifier, lenet5, text_network, wide_stem

pytestmark = pytest.mark.devices


def in_node(path: Path, samples: list[Feeds], steps: int | None = None) -> Comparison:
    program("node", "nodejs")
    compiled = compile_network(path, steps=steps)
    outputs = run_in_node(compile_wasm(compiled), compiled.graph, samples)
    assert outputs is not None
    return compare(InferenceSession(path), compiled.graph, samples, outputs.__getitem__)


@pytest.mark.parametrize("scheme", ["full", "bwn", "xnor"])
def test_lenet5_gives_the_same(scheme: str, tmp_path: Path) -> None:
    found = in_node(*lenet5(scheme, tmp_path / "net.onnx"))
    assert found.same_class >= 0.995
    # Rounding can move an 8-bit activation by one step of 1/127.
    assert found.max_abs_error < (1e-4 if scheme == "full" else 0.02)
    if scheme == "xnor":
        assert found.equal == found.outputs == 2360


def test_a_resnet_for_cifar_and_kernels_of_long_rows_give_the_same(tmp_path: Path) -> None:
    found = in_node(*cifar_resnet(tmp_path / "net.onnx"))
    assert found.same_class == 1
    assert found.max_abs_error < 1e-4
    found = in_node(*wide_stem(tmp_path / "wide.onnx"))
    assert found.same_class == 1
    assert found.max_abs_error < 0.02


def test_recurrent_networks_give_the_same_for_every_length(tmp_path: Path) -> None:
    found = in_node(*frame_classifier("lstm", "xnor", tmp_path / "net.onnx"), 29)
    assert found.equal == found.outputs
    found = in_node(*frame_classifier("gru", "bwn", tmp_path / "gru.onnx", bidirectional=True), 29)
    assert found.same_class == 1


def test_networks_over_tokens_give_the_same(tmp_path: Path) -> None:
    found = in_node(*text_network("language_model", "xnor", tmp_path / "net.onnx", "binary"), 13)
    assert found.equal == found.outputs


def test_the_command_compares_and_says_how_large_it_is(digits: Digits, tmp_path: Path) -> None:
    arguments = ["export", str(digits.run / "xnor.safetensors"), "--format", "wasm", "-o", str(tmp_path / "net.wasm")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "wasm: same class as the .onnx file on 100.0% of 1000 given samples" in done.output
    assert f"Wrote {tmp_path / 'net.wasm'}, " in done.output


def test_the_study_measures_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))
    file = tmp_path / "rows.json"
    done = CliRunner().invoke(study, ["--quick", "--only", "lenet5", "--json", str(file)])
    assert done.exit_code == 0, done.output
    rows = json.loads(file.read_text())["rows"]
    assert [(row["scheme"], row["runs_as"]) for row in rows] == [
        ("full", "ONNX Runtime"), ("bwn", "ONNX Runtime"), ("bwn", "compiled"), ("xnor", "ONNX Runtime"),
        ("xnor", "compiled"),
    ]  # fmt: skip
    assert rows[0]["ratio"] is None
    for row in rows[1:]:
        assert 0 < row["ratio"]["low"] <= row["ratio"]["median"] <= row["ratio"]["high"]
        assert f"{row['ratio']['median']:.2f}x" in done.output


def test_what_it_does_not_take_is_refused(tmp_path: Path) -> None:
    path, _ = text_network("text_classifier", "xnor", tmp_path / "net.onnx", "binary")
    (tmp_path / "net.wasm").write_bytes(compile_wasm(compile_network(path, steps=4)))
    (tmp_path / "wasm.mjs").write_bytes((APPS / "web" / "wasm.js").read_bytes())
    (tmp_path / "ask.mjs").write_text(
        """
        import { readFileSync } from 'node:fs';
        import { CompiledNetwork } from './wasm.mjs';
        const network = await CompiledNetwork.load(readFileSync('net.wasm'));
        const say = (input) => {
          try { return network.run({ input }).logits.length; } catch (error) { return error.message; }
        };
        console.log(JSON.stringify([[1, 2, 3], [1, 50], [], [1, 1, 1, 1, 1], undefined].map(say)));
        """
    )
    done = subprocess.run(
        [program("node", "nodejs"), "ask.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    refused = "text_classifier takes 1 to 4 steps, and tokens of its vocabulary"
    wanted = "input takes up to 4 numbers, 1 a step"
    assert json.loads(done.stdout) == [7, refused, refused, f"{wanted}, got 5", f"{wanted}, got none"]


def test_a_missing_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = lenet5("xnor", tmp_path / "net.onnx")
    monkeypatch.setenv("EDGENET_WASM_CC", str(tmp_path / "none"))
    done = CliRunner().invoke(main, ["export", str(path), "--format", "wasm"])
    assert done.exit_code == 1
    assert "cannot be started (No such file or directory); install clang, lld and wasi-libc" in done.output
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
