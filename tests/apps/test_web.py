"""The page of `edgenet serve` in headless Chromium; npm brings ONNX Runtime for the browser, and what drives it."""

import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenet.cli.export import export_network
from edgenet.cli.export_compiled import export_compiled
from edgenet.runtime import InferenceSession
from edgenet.serve import offer
from edgenet.training import load_checkpoint
from tests.apps.conftest import AGREEMENT, CACHE, ROOT, Digits, browser, program, train_digits
from tests.apps.recordings import train_labeller

pytestmark = pytest.mark.devices

FIRST_ANSWER_MS = 3000
COLD_LOADS = 4  # at most, each in a new browser


@contextmanager
def served(run: Path) -> Iterator[str]:
    """The address of `edgenet serve`, which has npm download what it needs."""
    code = "import sys; sys.argv[0] = 'edgenet'; from edgenet.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "XDG_CACHE_HOME": str(CACHE)}
    command = [sys.executable, "-c", code, "serve", str(run), "--port", "0"]
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("Serving "), process.stderr.read()
        try:
            yield line.split(" at ")[1].split(" ")[0]
        finally:
            process.terminate()


def visit(address: str, **options: object) -> dict[str, Any]:
    """What page.mjs saw."""
    told = {**browser(), "url": address, **options}
    command = [program("node", "nodejs"), ROOT / "tests/apps/page.mjs", json.dumps(told, default=str)]
    done = subprocess.run(list(map(str, command)), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert (seen["console"], seen["failed"], seen["problem"], seen["problemAfter"]) == ([], [], "", "")
    assert seen["isolated"]
    assert seen["wide"] <= 0, "the page is wider than the window"
    return seen


def waited(seen: dict[str, Any]) -> float:
    """Milliseconds to the first answer: as they passed, or, where other work takes the processor, those that the
    page itself computed until all its networks had answered."""
    return float(min(seen["firstAnswer"], seen["processorTime"]))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """Full and xnor networks side by side, and the latter compiled."""
    digits = train_digits(tmp_path_factory.mktemp("runs") / "lenet5", ["full", "xnor"])
    program("clang", "clang, lld and wasi-libc")
    export_compiled("wasm", digits.run / "xnor.safetensors", None, None, None)
    return digits


@pytest.fixture(scope="module")
def address(pictures: Digits) -> Iterator[str]:
    with served(pictures.run) as address:
        yield address


def test_the_browser_gives_the_classes_of_pythons_onnx_runtime(address: str, pictures: Digits) -> None:
    seen = visit(address, samples=True)
    offered = offer(pictures.run)
    for label in ("full", "xnor", "xnor compiled"):
        file = f"{label.removesuffix(' compiled')}.onnx"
        (logits,) = InferenceSession(offered.models[file]).run({"image": offered.pictures})
        said = np.array(seen["classes"][label])
        assert said.shape == (300,)
        assert (said == logits.argmax(1)).mean() >= AGREEMENT


def test_the_first_answer_comes_soon_with_bytes_and_milliseconds(address: str, pictures: Digits) -> None:
    loads = []
    while len(loads) < COLD_LOADS and (not loads or waited(loads[-1]) >= FIRST_ANSWER_MS):
        loads.append(visit(address))
    assert waited(loads[-1]) < FIRST_ANSWER_MS, [waited(load) for load in loads]
    first = loads[-1]["first"]
    assert first.keys() == {"full", "xnor", "xnor compiled"}
    for card in first.values():
        assert card["answer"] in "0123456789"
    assert first["full"]["numbers"][0] == f"{(pictures.run / 'full.onnx').stat().st_size / 1e3:.0f} kB"
    assert "smaller" in first["xnor"]["numbers"][0]
    assert " ms" in first["full"]["numbers"][1]


def test_what_is_drawn_chosen_or_filmed_is_answered_on_a_phone_too(
    address: str, pictures: Digits, tmp_path: Path
) -> None:
    paths = pictures.write(tmp_path, "png")
    seen = visit(address, phone=True, draw=True, picture=paths[0])
    assert seen["tabs"] == ["Samples", "Draw", "Image", "Camera"]
    assert seen["drawn"]["full"]["answer"] == "1"
    assert seen["picture"]["full"]["answer"] == str(pictures.expected("full")[0])
    assert seen["camera"] > 0


def test_sound_is_heard_piece_by_piece_from_file_and_microphone(tmp_path: Path) -> None:
    run = train_labeller(tmp_path, ["xnor"])
    network, metadata = load_checkpoint(run / "xnor.safetensors")
    export_network(network, metadata, run / "xnor.onnx", run / "samples.npz")
    content = b""
    for name in ("low", "high", "low", "high", "high", "low"):
        with wave.open(str(tmp_path / "recordings" / f"{name}_ann_6.wav")) as file:
            content += file.readframes(file.getnframes())
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(content)
    with served(run) as address:
        seen = visit(address, sound=path, microphone=path)

    session = InferenceSession(offer(run).models["xnor.onnx"])
    sound = np.frombuffer(content, "<i2").astype(np.float32)[None] / 32768
    shape = [size if isinstance(size, int) else 1 for size in session.inputs[1].shape]
    feeds = {"sound": sound, "state": np.zeros(shape, np.float32), "tail": np.zeros((1, 0), np.float32)}
    labels = session.run(feeds)[0][0].argmax(-1)
    said = [session.metadata["classes"][label] for label, _ in groupby(labels)]
    assert seen["sound"]["xnor"]["said"].split(" · ") == said
    assert {"low", "high"} <= set(seen["microphone"]["xnor"]["said"].split(" · "))
    assert "a piece" in seen["microphone"]["xnor"]["numbers"][1]
