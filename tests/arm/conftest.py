"""The library and its C++ tests, cross-built for 64-bit Arm, and an emulator that runs them."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SYSROOT = "/usr/aarch64-linux-gnu"
SHARE_OF_CASES = "0.06"  # emulation is slow; `make test-cpp` runs all cases

Run = Callable[..., subprocess.CompletedProcess[str]]


def tool(name: str, package: str) -> str:
    """Return the path of a program, or fail the test with the package to install."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing; install the Debian package {package} (make test-devices does)", pytrace=False)
    return found


@pytest.fixture(scope="session")
def built() -> Path:
    """The build folder of the preset aarch64, with tests."""
    tool("aarch64-linux-gnu-g++", "g++-aarch64-linux-gnu")
    cmake = tool("cmake", "cmake")
    folder = ROOT / "build/aarch64"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "aarch64.lock").open("w") as lock:  # tests of several files may ask for it at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (
            [cmake, "--preset", "aarch64", "-DEDGENET_BUILD_TESTS=ON"],
            [cmake, "--build", "--preset", "aarch64", "--parallel", "2"],
        ):
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def emulate() -> Run:
    """Runs a program on an emulated core."""
    emulator = tool("qemu-aarch64", "qemu-user")

    def run(core: str, program: Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "EDGENET_TEST_SHARE": SHARE_OF_CASES}
        command = [emulator, "-cpu", core, "-L", SYSROOT, program]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run
