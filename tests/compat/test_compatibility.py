"""Files exported here run, and say the same, on other versions of ONNX Runtime and Python: `make test-compat`."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.packaging.test_wheel import PIP, build, run

pytestmark = pytest.mark.compat

PROGRAM = Path(__file__).with_name("answers.py")
# The library needs the C API of version 18, so on older ones the file's own functions run.
OLDEST_NATIVE = (1, 18)
ONNXRUNTIMES = ["1.17.3", "1.18.1", "1.20.1", "1.26.0", "newest"]
PYTHONS = ["python3.11", "python3.12", "python3.13"]
# README: whole networks keep the class on 99.5 % of samples or more, on every path.
AGREEMENT = 0.995
NETWORKS = {"lenet5": [], "frame_classifier": ["--data", "japanese-vowels"]}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run folder each of a convolutional and of a recurrent network."""
    folders = []
    for network, options in NETWORKS.items():
        folder = tmp_path_factory.mktemp("runs") / network
        edgenet = Path(sys.executable).with_name("edgenet")
        done = run(edgenet, "binarize", network, *options, "--epochs", "2", "--out", folder)
        assert done.returncode == 0, done.stderr
        folders.append(folder)
    return folders


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def expected(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list]]:
    """What the files say where they were exported."""
    folder = tmp_path_factory.mktemp("expected")
    return [ask(Path(sys.executable), path, folder / f"{path.name}.json")["answers"] for path in runs]


def ask(python: Path, folder: Path, output: Path) -> dict:
    done = run(python, PROGRAM, folder, output)
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text())


def environment(python: str, wheel: Path, folder: Path, *requirements: str) -> Path:
    """A fresh environment with the wheel; returns its Python."""
    assert run(python, "-m", "venv", folder).returncode == 0
    done = run(folder / "bin/python", *PIP, "install", wheel, *requirements)
    assert done.returncode == 0, done.stderr
    return folder / "bin/python"


def agrees(answers: dict[str, list], expected: dict[str, list], native: bool) -> None:
    paths = ("native", "portable") if native else ("portable",)
    assert answers.keys() == {"full plain", *(f"{scheme} {path}" for scheme in ("bwn", "xnor") for path in paths)}
    for name, said in answers.items():
        same = sum(a == b for a, b in zip(said, expected[name], strict=True)) / len(said)
        assert same >= AGREEMENT, f"{name} agrees on {same:.2%} of {len(said)} samples"


@pytest.mark.parametrize("version", ONNXRUNTIMES)
def test_files_say_the_same_on_other_versions_of_onnxruntime(
    version: str, runs: list[Path], wheel: Path, expected: list[dict[str, list]], tmp_path: Path
) -> None:
    wanted = "onnxruntime" if version == "newest" else f"onnxruntime=={version}"
    # Wheels of before NumPy 2 do not say that they need an older one.
    old = version != "newest" and tuple(map(int, version.split(".")[:2])) < (1, 19)
    python = environment(sys.executable, wheel, tmp_path / "venv", wanted, *(["numpy<2"] if old else []))
    for folder, here in zip(runs, expected, strict=True):
        there = ask(python, folder, tmp_path / "answers.json")
        assert version in ("newest", there["onnxruntime"])
        agrees(there["answers"], here, native=tuple(map(int, there["onnxruntime"].split(".")[:2])) >= OLDEST_NATIVE)


@pytest.mark.parametrize("python", PYTHONS)
def test_files_say_the_same_on_other_versions_of_python(
    python: str, runs: list[Path], wheel: Path, expected: list[dict[str, list]], tmp_path: Path
) -> None:
    if not shutil.which(python) or run(python, "--version").returncode != 0:
        pytest.skip(f"there is no {python} on the path")
    there = environment(python, wheel, tmp_path / "venv")
    for folder, here in zip(runs, expected, strict=True):
        agrees(ask(there, folder, tmp_path / "answers.json")["answers"], here, native=True)
