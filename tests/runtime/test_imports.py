"""What a device installs never imports torch."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import edgenet

_BLOCK = """
import importlib, sys
for name in ("torch", "lightning", "onnxscript", "matplotlib"):
    sys.modules[name] = None
"""


@pytest.mark.parametrize("room", ["edgenet", "edgenet.runtime", "edgenet.serve"])
def test_a_device_needs_no_torch(room: str) -> None:
    subprocess.run([sys.executable, "-c", f"{_BLOCK}\nimportlib.import_module({room!r})"], check=True)


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import sys, edgenet; sys.exit(bool({'numpy', 'onnx', 'onnxruntime', 'torch'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert edgenet.__version__ == project["project"]["version"]
