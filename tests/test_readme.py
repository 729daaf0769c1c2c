"""What the README shows is what runs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_examples_run_one_after_the_other(tmp_path: Path) -> None:
    train, embed = blocks("python")
    for code in (train, embed):
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "net.onnx").is_file()


def test_the_embedding_example_needs_no_torch() -> None:
    embed = blocks("python")[1]
    assert "import torch" not in embed


def test_the_cpp_example_is_of_the_app() -> None:
    (code,) = blocks("cpp")
    app = " ".join((ROOT / "export/apps/cpp/classify.cpp").read_text().split())
    assert " ".join(re.sub("//.*", "", code).split()) in app
