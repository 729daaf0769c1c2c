"""`edgenet doctor`: is this machine ready, and if not, what to do."""

import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version

import click

from edgenet import __version__
from edgenet.cli.base import Command
from edgenet.errors import EdgenetError

_DEVICES = (
    ("qemu-aarch64", "bench --device arm64", "qemu-user libstdc++6-arm64-cross"),
    ("qemu-system-arm", "bench --device cortex-m4 and its kin", "qemu-system-arm"),
    ("arm-none-eabi-gcc", "bench --device cortex-m4 and its kin", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
    ("ssh", "bench --device ssh://...", "openssh-client"),
    ("adb", "bench --device adb:...", "adb"),
    ("node", "export --format wasm, to compare with the .onnx file", "nodejs"),
)
"""Programs, what of edgenet needs them, and the Debian packages that bring them."""
_TRAINING = ("torch", "lightning", "onnxscript", "safetensors", "mlxtend", "networkx", "pillow")


@click.command(cls=Command, short_help="Is this machine ready, and if not, why.")
def doctor() -> None:
    """Check this installation: versions, the operator library and whether it really runs, what devices need, what is
    missing."""
    from edgenet.bench import machine

    stamp = machine.describe()
    _line("edgenet", __version__)
    _line("Python", f"{platform.python_version()}, {sys.executable}")
    _line("machine", f"{stamp['cpu']}, {stamp['cores']} cores, {stamp['os']}")
    for name in ("onnxruntime", "onnx", "numpy"):
        _line(name, _version(name) or "missing; get it with pip install . in a clone of edgenet")
    _library()
    _line("native path", _native_path())
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    _line("C++ compiler", compiler or "none; needed only to build the operator library (Debian: apt-get install g++)")
    clang = shutil.which("clang")
    packages = "Debian: apt-get install clang lld wasi-libc"
    _line("WebAssembly", clang or f"no clang; needed only for edgenet export --format wasm ({packages})")
    for name, what, debian in _DEVICES:
        _line(name, shutil.which(name) or f"none; needed only for edgenet {what} (Debian: apt-get install {debian})")
    _line("llvm-mca", _llvm_mca())
    missing = [name for name in _TRAINING if _version(name) is None]
    have = ", ".join(f"{name} {_version(name)}" for name in _TRAINING if name not in missing)
    get = f"missing {', '.join(missing)}; get it with pip install '.[train]' in a clone of edgenet"
    _line("training", get if missing else have)
    plot = _version("matplotlib")
    _line(
        "plots",
        f"matplotlib {plot}" if plot else "no matplotlib; get it with pip install '.[plot]' in a clone of edgenet",
    )


def _library() -> None:
    from edgenet.runtime import library

    try:
        path = library.find()
    except EdgenetError as error:
        _line("operator library", f"none. {error}")
        return
    if path is None:
        _line("operator library", "none")
    else:
        isas = ", ".join(library.isas())
        _line("operator library", f"{path}, version {library.version()}")
        _line("instruction sets", f"{isas}; in use: {library.isa() or 'none'}" if isas else "unknown")


def _native_path() -> str:
    from edgenet.runtime import library
    from edgenet.runtime.check import run_native_node

    try:
        reason = library.why_portable()
        if reason:
            return f"not used. {reason}"
        kernels = run_native_node()
    except EdgenetError as error:
        return f"not used. {error}"
    return f"used: a test node ran on {kernels} native kernel{'s' if kernels != 1 else ''}, with the right numbers"


def _llvm_mca() -> str:
    from edgenet.bench.devices import prediction

    try:
        return prediction.find_mca()
    except EdgenetError:
        version = prediction.FIRST_VERSION
        package = f"Debian: apt-get install llvm-{version}"
        return f"none of version {version} or newer; needed only for edgenet bench --device arm64 ({package})"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _line(name: str, text: str) -> None:
    click.echo(f"{name + ':':19}{text}")
