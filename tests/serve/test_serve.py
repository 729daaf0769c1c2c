"""`edgenet serve`: what the browser gets, and what the user is told where it cannot be."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession
from edgenet.serve import FILES, find_runtime, make_server, offer, page_folder
from edgenet.tasks.dataset import describe_images
from edgenet.tasks.held_out import HeldOut

ROOT = Path(__file__).resolve().parents[2]
MEAN, STD = np.float32([0.5]), np.float32([0.25])


def write_run(folder: Path, task: str = "image-classification", **further: object) -> Path:
    """A run folder of two equal networks that tell bright pictures of 4x4 from dark ones, and 400 samples."""
    folder.mkdir()
    weights = np.stack([np.full(16, -1, np.float32), np.full(16, 1, np.float32)], 1)
    nodes = [helper.make_node("Flatten", ["input"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])]
        for name, shape in (("input", [1, 4, 4]), ("logits", [2]))
    ]
    graph = helper.make_graph(nodes, "net", *ends, [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    described = {**describe_images((1, 4, 4), "4x4", MEAN, STD), **further}
    metadata = {"task": task, "model": "tiny", "classes": ["dark", "bright"], "preprocessing": described}
    metadata["input_shape"] = [1, 4, 4]
    texts = {
        f"edgenet.{key}": value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()
    }
    helper.set_model_props(model, texts)
    for scheme in ("full", "xnor"):
        onnx.save(model, folder / f"{scheme}.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (400, 1, 4, 4), np.uint8)
    HeldOut((pixels / np.float32(255) - MEAN) / STD, (pixels.mean((1, 2, 3)) > 127).astype(np.int64)).save(
        folder / "samples.npz"
    )
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_compiled_networks_come_with_what_makes_their_samples(run: Path) -> None:
    (run / "xnor.wasm").write_bytes(b"made of xnor.onnx")
    offered = offer(run)
    *others, compiled = offered.description["networks"]
    assert [network["label"] for network in others] == ["full", "xnor"]
    assert compiled == {
        "file": "xnor.wasm", "scheme": "xnor", "label": "xnor compiled", "compiled": True, "bytes": 17, "state": None,
        "preprocessing": "preprocessing.onnx",
    }  # fmt: skip
    assert offered.models["xnor.wasm"] == b"made of xnor.onnx"
    assert not offered.left_out
    (sample,) = InferenceSession(offered.models["preprocessing.onnx"]).run({"image": offered.pictures})
    expected = (np.moveaxis(offered.pictures, 3, 1) / np.float32(255) - MEAN) / STD
    np.testing.assert_allclose(sample, expected, rtol=0, atol=1e-6)


def test_a_compiled_network_that_is_older_than_its_file_is_left_out(run: Path) -> None:
    (run / "xnor.wasm").write_bytes(b"made of an xnor.onnx before")
    os.utime(run / "xnor.wasm", (0, 0))
    offered = offer(run)
    assert "xnor.wasm" not in offered.models
    (sentence,) = offered.left_out
    assert sentence.startswith(f"{run / 'xnor.wasm'} is older than xnor.onnx and left out; write it again")


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """Stand-ins for the files of ONNX Runtime."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def address(run: Path, runtime: Path) -> Iterator[str]:
    server = make_server(offer(run), page_folder(), runtime, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/runtime/ort.wasm.min.mjs", "text/javascript; charset=utf-8"),
        ("/runtime/ort-wasm-simd-threaded.wasm", "application/wasm"),
        ("/run.json", "application/json"),
        ("/models/xnor.onnx", "application/octet-stream"),
        ("/samples.bin", "application/octet-stream"),
    ],
)
def test_each_file_comes_with_its_type_and_lets_the_page_have_threads(address: str, path: str, kind: str) -> None:
    with urlopen(address + path) as answer:
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert len(answer.read()) == int(answer.headers["Content-Length"])


@pytest.mark.parametrize(
    "path", ["/nothing.js", "/README.md", "/../pyproject.toml", "/%2e%2e/README.md", "/models/../main.js"]
)
def test_nothing_else_is_served(address: str, path: str) -> None:
    with pytest.raises(HTTPError) as error:
        urlopen(address + path)
    assert error.value.code == 404
    error.value.close()


def test_networks_take_pictures_and_samples_are_pictures_with_their_classes(address: str) -> None:
    with urlopen(f"{address}/run.json") as answer:
        told = json.load(answer)
    assert (told["name"], told["kind"], told["classes"]) == ("tiny", "image", ["dark", "bright"])
    with urlopen(f"{address}/samples.bin") as answer:
        pictures = np.frombuffer(answer.read(), np.uint8).reshape(told["samples"]["shape"])
    assert pictures.shape == (300, 4, 4, 1)
    for network in told["networks"]:
        with urlopen(f"{address}/models/{network['file']}") as answer:
            content = answer.read()
        assert network["bytes"] == len(content)
        (logits,) = InferenceSession(content).run({"image": pictures})
        assert (logits.argmax(1) == told["samples"]["targets"]).mean() > 0.99
    assert [network["scheme"] for network in told["networks"]] == ["full", "xnor"]


def test_a_port_that_is_taken_is_said_in_a_sentence(address: str, run: Path, runtime: Path) -> None:
    with pytest.raises(EdgenetError, match=r"cannot listen on .*choose another with --port"):
        make_server(offer(run), page_folder(), runtime, "127.0.0.1", int(address.rpartition(":")[2]))


def test_what_the_page_cannot_show_is_refused(tmp_path: Path, run: Path) -> None:
    with pytest.raises(EdgenetError, match="is no folder"):
        offer(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EdgenetError, match=r"holds no full\.onnx"):
        offer(tmp_path / "empty")
    with pytest.raises(EdgenetError, match="is for language-modelling; the page shows classes alone"):
        offer(write_run(tmp_path / "texts", "language-modelling"))
    with pytest.raises(EdgenetError, match="takes neither pictures of one size nor recordings"):
        offer(write_run(tmp_path / "series", "sequence-classification", layout="TF"))
    (run / "full.onnx").write_bytes(b"no network")
    with pytest.raises(EdgenetError, match="cannot be read as ONNX"):
        offer(run)


@pytest.mark.parametrize("inside", ["", "dist", "node_modules/onnxruntime-web/dist"])
def test_a_given_runtime_is_the_package_or_where_it_was_installed(tmp_path: Path, runtime: Path, inside: str) -> None:
    outer = tmp_path / "given"
    (outer / inside).parent.mkdir(parents=True, exist_ok=True)
    runtime.rename(outer / inside) if inside else runtime.rename(outer)
    assert find_runtime(outer) == outer / inside


def test_a_given_folder_without_the_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgenetError, match=r"lacks ort\.wasm\.min\.mjs"):
        find_runtime(tmp_path)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (None, "nor npm to get it: install npm"),
        ("echo no network >&2; exit 1", r"npm cannot download onnxruntime-web \(no network\)"),
        ("cp \"$ARCHIVE\" onnxruntime-web.tgz", "arrived damaged"),
    ],
)  # fmt: skip
def test_where_npm_cannot_bring_the_runtime_one_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, sentence: str
) -> None:
    archive = tmp_path / "damaged.tgz"
    with tarfile.open(archive, "w:gz") as files:
        for name in FILES:
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = 4
            files.addfile(member, io.BytesIO(b"junk"))
    programs = tmp_path / "bin"
    programs.mkdir()
    if script is not None:
        (programs / "npm").write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        (programs / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("ARCHIVE", str(archive))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(EdgenetError, match=sentence) as error:
        find_runtime()
    assert "--runtime" in str(error.value)
    assert not list((tmp_path / "cache").rglob("*.mjs"))


def test_the_command_says_where_serves_and_ends_with_control_c(run: Path, runtime: Path) -> None:
    code = "import sys; sys.argv[0] = 'edgenet'; from edgenet.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", str(run), "--port", "0", "--runtime", str(runtime)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith(f"Serving {run} (full, xnor) at http://127.0.0.1:")
            with urlopen(line.split(" at ")[1].split(" ")[0]) as answer:
                assert b"<title>edgenet</title>" in answer.read()
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, rest, errors) == (0, "Stopped.\n", "")
