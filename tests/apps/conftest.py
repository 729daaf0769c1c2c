"""Exported networks that take pictures, real digits as files, and what Python's ONNX Runtime says of them."""

import fcntl
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgenet.cli.export import export_network
from edgenet.runtime import InferenceSession
from edgenet.tasks import load
from edgenet.tasks.pictures import PicturePreprocessing
from edgenet.training import train

ROOT = Path(__file__).resolve().parents[2]
APPS = ROOT / "export" / "apps"
CACHE = ROOT / "build" / "apps"
"""For what npm brings, outside of what is committed."""
DIGITS = 250
AGREEMENT = 0.995


@dataclass(frozen=True)
class Digits:
    """A run folder whose files take pictures, and held-out digits."""

    run: Path
    pixels: NDArray[np.uint8]
    """[N, 28, 28, 1]"""

    @property
    def xnor(self) -> Path:
        return self.run / "xnor.onnx"

    def expected(self, scheme: str = "xnor") -> NDArray[np.int64]:
        """The classes that Python's ONNX Runtime gives, [N]."""
        session = InferenceSession(self.run / f"{scheme}.onnx")
        return session.run({"image": self.pixels})[0].argmax(-1)

    def write(self, folder: Path, ending: str) -> list[Path]:
        """The digits as picture files."""
        paths = [folder / f"{index}.{ending}" for index in range(len(self.pixels))]
        for path, picture in zip(paths, self.pixels, strict=True):
            Image.fromarray(picture[:, :, 0]).save(path)
        return paths


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """LeNet-5, xnor, after one epoch."""
    return train_digits(tmp_path_factory.mktemp("runs") / "lenet5", ["xnor"])


def train_digits(run: Path, schemes: list[str]) -> Digits:
    """LeNet-5 after one epoch, its files with their preprocessing inside."""
    for network in train("lenet5", schemes, epochs=1, out=run, distill=False):
        target = run / f"{network.scheme}.onnx"
        export_network(network.model, network.metadata, target, run / "samples.npz", embed=True)
    data = load("digits")
    how = PicturePreprocessing.of(data.preprocessing)
    assert how is not None
    return Digits(run, how.pictures(data.test.inputs(slice(0, 1000, 1000 // DIGITS))))


def program(name: str, package: str) -> str:
    """The path of a program. A test that needs it fails where it is missing, and says what brings it."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing; install the Debian package {package} (make test-devices does)", pytrace=False)
    return found


def npm_install(folder: Path, *packages: str) -> None:
    """Have npm put packages, or those of the folder's package.json, into a folder; kept from test to test."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [program("npm", "npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    with (folder / "lock").open("w") as lock:  # tests of several files may ask for it at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([*command, *packages], cwd=folder, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"npm cannot install {', '.join(packages) or 'the app'}: {done.stderr}"


@pytest.fixture(scope="session")
def node_app() -> Path:
    """The folder of the Node app, installed by npm as its README says."""
    folder = CACHE / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "classify.mjs"):
        shutil.copy(APPS / "node" / name, folder / name)
    npm_install(folder)
    return folder


def browser() -> dict[str, str]:
    """Where Chromium is, and the folder of modules with what drives it."""
    npm_install(CACHE / "browser", "playwright-core@1.65.1")
    chromium = program("chromium-headless-shell", "chromium-headless-shell")
    return {"modules": str(CACHE / "browser" / "node_modules"), "chromium": chromium}


def said_classes(output: str) -> list[str]:
    """The classes in an app's lines `PATH: CLASS (0.12 ms)`."""
    return [line.rpartition(": ")[2].partition(" (")[0] for line in output.splitlines() if line.endswith(" ms)")]


def agreement(output: str, expected: NDArray[np.int64]) -> float:
    """Share of an app's answers, one a digit, that are the expected ones."""
    said = said_classes(output)
    assert len(said) == len(expected), output
    return float(np.mean([int(name) == right for name, right in zip(said, expected, strict=True)]))
