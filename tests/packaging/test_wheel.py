"""What a device gets: a wheel built here, in a fresh environment without torch, measuring a run folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIP = ["-m", "pip", "--disable-pip-version-check", "--quiet"]


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command outside the clone, so that nothing is imported from it by accident."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EDGENET_", "PYTHON"))}
    return subprocess.run(
        [str(part) for part in command], cwd="/", env=clean | environment, text=True, capture_output=True, check=False
    )


def build(folder: Path, **environment: str) -> Path:
    done = run(sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", folder, ROOT, **environment)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("edgenet-*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def device(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs folder of a fresh environment with nothing but the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("device")
    assert run(sys.executable, "-m", "venv", folder).returncode == 0
    done = run(folder / "bin/python", *PIP, "install", "--constraint", ROOT / "constraints.txt", wheel)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "lenet5"
    done = run(Path(sys.executable).with_name("edgenet"), "binarize", "lenet5", "--epochs", "1", "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_wheel_holds_the_operator_library_and_the_runner_and_no_sources(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    expected = {"edgenet/runtime/libedgenet_ops.so", "edgenet/runtime/edgenet-runner", "edgenet/serve/web/index.html"}
    assert expected <= set(names)
    # What is built around exported C on a microcontroller is carried along.
    sources = [name for name in names if name.endswith((".cpp", ".h")) and "/firmware/" not in name]
    assert not [*sources, *(name for name in names if name.startswith("tests/"))]
    assert "edgenet/bench/devices/firmware/board.h" in names
    assert any(name.startswith("edgenet/microcontroller/kernels/") and name.endswith(".c") for name in names)


def test_a_device_without_torch_measures_a_run_natively_and_portably(
    device: Path, trained: Path, tmp_path: Path
) -> None:
    assert run(device / "python", "-c", "import torch").returncode == 1
    result = tmp_path / "result.json"
    done = run(device / "edgenet", "bench", trained, "--min-seconds", "0.2", "--min-runs", "10", "--json", result)
    assert done.returncode == 0, done.stderr
    rows = json.loads(result.read_text())["rows"]
    assert {(row["scheme"], row["path"]) for row in rows} == {
        ("full", "plain"),
        ("bwn", "native"),
        ("bwn", "portable"),
        ("xnor", "native"),
        ("xnor", "portable"),
    }
    for row in rows:
        assert row["file_bytes"] == (trained / row["file"]).stat().st_size
        assert row["rss_load_peak_bytes"] > 0
        assert row["latency_ms"]["p50"] > 0
        assert row["accuracy"]["samples"] == 1000
        assert row["accuracy"]["value"] > 0.5


def test_without_a_compiler_the_package_installs_and_says_that_the_portable_path_runs(
    device: Path, trained: Path, wheel: Path, tmp_path: Path
) -> None:
    portable = build(tmp_path, CXX="/no/such/compiler")
    assert "edgenet/runtime/libedgenet_ops.so" not in zipfile.ZipFile(portable).namelist()
    replace = (*PIP, "install", "--force-reinstall", "--no-deps")
    assert run(device / "python", *replace, portable).returncode == 0
    try:
        doctor = run(device / "edgenet", "doctor")
        assert doctor.returncode == 0, doctor.stderr
        assert "portable path" in " ".join(doctor.stdout.split())
        assert "C++ compiler" in " ".join(doctor.stdout.split())
        measured = run(device / "edgenet", "bench", trained / "xnor.onnx", "--min-seconds", "0.1", "--min-runs", "5")
        assert measured.returncode == 0, measured.stderr
        assert "The portable path ran on cpu, without operator library; to get it" in " ".join(measured.stdout.split())
    finally:
        assert run(device / "python", *replace, wheel).returncode == 0


@pytest.mark.devices
def test_a_wheel_for_aarch64_is_cross_built_and_taken_by_pip_there(tmp_path: Path) -> None:
    toolchain = ROOT / "export/ops/cmake/aarch64.cmake"
    done = run(
        sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT, "--config-settings",
        f"cmake.define.CMAKE_TOOLCHAIN_FILE={toolchain}", _PYTHON_HOST_PLATFORM="manylinux_2_28-aarch64",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wheel = next(tmp_path.glob("edgenet-*-py3-none-manylinux_2_28_aarch64.whl"))
    # Byte 18 of an ELF file names the machine; 183 is aarch64.
    with zipfile.ZipFile(wheel) as archive:
        for name in ("libedgenet_ops.so", "edgenet-runner"):
            assert archive.read(f"edgenet/runtime/{name}")[18] == 183
    platforms = [part for version in (36, 31, 28) for part in ("--platform", f"manylinux_2_{version}_aarch64")]
    done = run(
        sys.executable, *PIP, "install", "--no-deps", "--no-index", "--only-binary", ":all:", *platforms,
        "--python-version", "3.13", "--target", tmp_path / "there", wheel,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there/edgenet/runtime/libedgenet_ops.so").is_file()
