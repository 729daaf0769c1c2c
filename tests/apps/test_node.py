"""The Node app, installed by npm as its README says, gives the classes of Python's ONNX Runtime."""

import subprocess
from pathlib import Path

import pytest

from tests.apps.conftest import AGREEMENT, Digits, agreement, program

pytestmark = pytest.mark.devices


@pytest.fixture(scope="module")
def app(node_app: Path) -> Path:
    return node_app / "classify.mjs"


def run(app: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program("node", "nodejs"), app, *words]
    return subprocess.run(list(map(str, command)), text=True, capture_output=True, check=False)


def test_it_gives_the_classes_of_pythons_onnx_runtime(app: Path, digits: Digits, tmp_path: Path) -> None:
    done = run(app, digits.xnor, *digits.write(tmp_path, "png"))
    assert done.returncode == 0, done.stderr
    assert agreement(done.stdout, digits.expected()) >= AGREEMENT
    assert "portable path" in done.stdout


def test_what_it_cannot_do_is_one_sentence(app: Path, digits: Digits, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no picture")
    for words, code in (((), 2), ((digits.xnor, tmp_path / "no.png"), 1), ((tmp_path / "no.png",) * 2, 1)):
        done = run(app, *words)
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == 1
