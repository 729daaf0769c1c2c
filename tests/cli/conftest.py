"""A tiny network of one's own on a handful of images, run through `edgenet binarize` once for all tests."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NETWORK = """
from torch import nn

def tiny():
    convolutions = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)]
    model = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(128, 2))
    model.input_shape = (1, 8, 8)
    return model
"""


@dataclass
class Place:
    """A working folder with a network and images, and the command line in it."""

    folder: Path

    def start(self, *words: str) -> subprocess.Popen[str]:
        script = "import sys; sys.argv[0] = 'edgenet'; from edgenet.cli import main; main()"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-P", "-c", script, *words], cwd=self.folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        stdout, stderr = process.communicate(timeout=300)
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Images of two classes, bright on the left or on the right, and a factory of a network for them."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("work")
    (folder / "my_network.py").write_text(NETWORK)
    random = np.random.default_rng(0)
    for label, columns in (("left", slice(0, 4)), ("right", slice(4, 8))):
        (folder / "images" / label).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 60, (8, 8), dtype=np.uint8)
            pixels[:, columns] += 150
            Image.fromarray(pixels).save(folder / "images" / label / f"{number}.png")
    return Place(folder)


@pytest.fixture(scope="session")
def binarized(place: Place) -> subprocess.CompletedProcess[str]:
    """`edgenet binarize` of that network, full and xnor, one epoch each, into runs/my_network.tiny."""
    return place.run(
        "binarize", "my_network:tiny", "--data", "images", "--schemes", "xnor,full", "--epochs", "1", "--ends", "binary"
    )
