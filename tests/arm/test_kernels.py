"""The kernels for Arm, cross-built, against the scalar ones on emulated cores without and with dot products."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.arm.conftest import ROOT, Run, tool

pytestmark = pytest.mark.devices

SETS = {"cortex-a53": ["scalar", "neon"], "cortex-a76": ["scalar", "neon", "neondot"]}
OPERATORS = ("xnor_conv", "bwn_conv", "linear", "recurrence", "gates", "int8")
NEWEST = {"GLIBC": (2, 28), "GLIBCXX": (3, 4, 25), "CXXABI": (1, 3, 11)}  # Debian 10, RHEL 8


@pytest.mark.parametrize("core", SETS)
def test_a_core_is_given_the_widest_set_that_it_runs(built: Path, emulate: Run, core: str) -> None:
    done = emulate(core, built / "tests/ops/test_dispatch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].split() == SETS[core]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("core", SETS)
def test_kernels_agree_with_the_scalar_ones(built: Path, emulate: Run, core: str, operator: str) -> None:
    done = emulate(core, built / f"tests/ops/test_{operator}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) > 40  # checks


@pytest.mark.parametrize("file", ["export/ops/libedgenet_ops.so", "export/runner/edgenet-runner"])
def test_what_is_built_needs_nothing_newer_than_its_floor(built: Path, file: str) -> None:
    objdump = tool("aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu")
    symbols = subprocess.run([objdump, "-T", built / file], capture_output=True, text=True, check=True).stdout
    versions = re.findall(r"\((GLIBC|GLIBCXX|CXXABI)_([0-9.]+)\) +(\S+)", symbols)
    assert versions
    newer = [
        f"{name} of {kind}_{version}"
        for kind, version, name in versions
        if tuple(int(part) for part in version.split(".")) > NEWEST[kind]
    ]
    assert newer == []


def test_code_for_dot_products_stays_where_it_is_called(built: Path) -> None:
    done = subprocess.run(
        [tool("ctest", "cmake"), "--test-dir", built, "-R", "isolation", "--verbose"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* objects checked", done.stdout)


def test_a_missing_cross_compiler_is_named_with_its_package(tmp_path: Path) -> None:
    done = subprocess.run(
        [tool("cmake", "cmake"), "--preset", "aarch64", "-B", tmp_path / "build"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "needs the cross compiler aarch64-linux-gnu-g++" in done.stderr
    assert "apt-get install g++-aarch64-linux-gnu" in " ".join(done.stderr.split())
