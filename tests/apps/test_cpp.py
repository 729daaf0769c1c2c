"""The C++ apps, built against ONNX Runtime's own headers, give what Python's ONNX Runtime gives."""

import re
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from edgenet.cli.export import export_network
from edgenet.runtime import InferenceSession, library
from edgenet.training import load_checkpoint
from tests.apps.conftest import AGREEMENT, APPS, CACHE, Digits, agreement, npm_install, program
from tests.apps.recordings import train_labeller

pytestmark = pytest.mark.devices

# Neither PyPI nor Debian has ONNX Runtime's C++ headers; this package has them, and the library of the same version.
PACKAGE = "com.github.asus4.onnxruntime"
PIECE = 800  # samples of sound in 0.1 s


@pytest.fixture(scope="module")
def apps() -> Path:
    """The folder of both programs."""
    npm_install(CACHE / "onnxruntime", f"{PACKAGE}@0.4.9")
    plugins = CACHE / "onnxruntime" / "node_modules" / PACKAGE / "Plugins"
    release = CACHE / "onnxruntime" / "release"
    (release / "lib").mkdir(parents=True, exist_ok=True)
    headers = plugins / "iOS~" / "onnxruntime.xcframework" / "ios-arm64" / "onnxruntime.framework" / "Headers"
    links = {"include": headers}
    links |= {
        f"lib/{name}": plugins / "Linux/x64/libonnxruntime.so" for name in ("libonnxruntime.so", "libonnxruntime.so.1")
    }
    for name, target in links.items():
        (release / name).unlink(missing_ok=True)
        (release / name).symlink_to(target)
    build = CACHE / "cpp"
    cmake = program("cmake", "cmake")
    for command in (
        [cmake, "-S", str(APPS / "cpp"), "-B", str(build), f"-DONNXRUNTIME={release}", "-DCMAKE_CXX_FLAGS=-Werror"],
        [cmake, "--build", str(build)],
    ):
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return build


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A streaming network that takes sound; its recordings lie beside its folder."""
    run = train_labeller(tmp_path_factory.mktemp("sound"), ["xnor"])
    network, metadata = load_checkpoint(run / "xnor.safetensors")
    export_network(network, metadata, run / "xnor.onnx", run / "samples.npz", embed=True)
    return run / "xnor.onnx"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, words)), text=True, capture_output=True, check=False)


def native() -> str:
    found = library.find()
    assert found is not None, "the operator library is missing; build it (pip install -e . with a C++ compiler)"
    return found


@pytest.mark.parametrize("path", ["native", "portable"])
def test_pictures_get_the_classes_of_pythons_onnx_runtime(
    apps: Path, digits: Digits, tmp_path: Path, path: str
) -> None:
    done = run(apps / "classify", digits.xnor, native() if path == "native" else "-", *digits.write(tmp_path, "pgm"))
    assert done.returncode == 0, done.stderr
    assert agreement(done.stdout, digits.expected()) >= AGREEMENT
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"native path, [1-9]\d* native kernels" if path == "native" else "portable path, 0 .*", last)


@pytest.mark.parametrize("path", ["native", "portable"])
def test_sound_is_labelled_piece_by_piece_with_the_state_carried(
    apps: Path, words: Path, tmp_path: Path, path: str
) -> None:
    recordings = words.parents[1] / "recordings"
    content = b""
    for name in ("low", "high", "low", "low", "high"):
        with wave.open(str(recordings / f"{name}_ann_6.wav")) as file:
            content += file.readframes(file.getnframes())
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(content)
    done = run(apps / "listen", words, native() if path == "native" else "-", tmp_path / "sound.wav")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert last.startswith(f"{path} path")

    session = InferenceSession(words)
    sound = np.frombuffer(content, "<i2").astype(np.float32)[None] / 32768
    shape = [size if isinstance(size, int) else 1 for size in session.inputs[1].shape]
    whole = session.run({"sound": sound, "state": np.zeros(shape, np.float32), "tail": np.zeros((1, 0), np.float32)})
    classes = np.array(session.metadata["classes"])[whole[0][0].argmax(-1)]
    starts = np.arange(PIECE, sound.shape[1] - PIECE + 1, PIECE).tolist()
    heard = [(end - 200) // 80 for end in [*starts, sound.shape[1]]]  # the last whole frame of each piece
    assert [line.partition(" s: ")[2] for line in lines] == classes[heard].tolist()


def test_what_they_cannot_do_is_one_sentence(apps: Path, digits: Digits, words: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("neither picture nor sound nor network")
    for command, code in (
        (["classify"], 2),
        (["classify", digits.xnor, "-", other], 1),
        (["classify", other, "-", other], 1),
        (["classify", digits.xnor, "/missing.so", other], 1),
        (["listen", words], 2),
        (["listen", words, "-", other], 1),
        (["listen", digits.xnor, "-", other], 1),
    ):
        done = run(apps / str(command[0]), *command[1:])
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == 1, done.stderr
