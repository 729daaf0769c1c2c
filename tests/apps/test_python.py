"""The Python app classifies picture files, without torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgenet.runtime import library
from tests.apps.conftest import AGREEMENT, APPS, ROOT, Digits, agreement

APP = APPS / "python" / "classify.py"


def run(*words: str | Path, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(["-c", code] if code else [str(APP)]), *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, text=True, capture_output=True, check=False)


def test_it_gives_the_classes_of_onnx_runtime_and_says_which_path_ran(digits: Digits, tmp_path: Path) -> None:
    done = run(digits.xnor, *digits.write(tmp_path, "png"))
    assert done.returncode == 0, done.stderr
    assert agreement(done.stdout, digits.expected()) >= AGREEMENT
    assert done.stdout.splitlines()[-1].startswith("native path" if library.available() else "portable path")


def test_it_never_imports_torch(digits: Digits, tmp_path: Path) -> None:
    picture = digits.write(tmp_path, "png")[0]
    code = (
        "import runpy, sys; sys.argv[0] = 'classify.py'; sys.modules['torch'] = None\n"
        f"runpy.run_path({str(APP)!r}, run_name='__main__')"
    )
    done = run(digits.xnor, picture, code=code)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("words", [(), ("missing.onnx", __file__)])
def test_what_it_cannot_do_is_one_sentence(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
