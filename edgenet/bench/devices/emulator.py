"""QEMU's emulation of 64-bit Arm programs, and a plugin that counts what they execute."""

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgenet.errors import EdgenetError
from edgenet.files import cache_folder, write_whole

PACKAGES = "qemu-user libstdc++6-arm64-cross llvm-19 gcc"
_LIBRARIES = Path("/usr/aarch64-linux-gnu/lib")
_PLUGIN = Path(__file__).with_name("block_counts.c")
LAST_PLUGIN_VERSION = 8  # QEMU 9 changed the plugin interface
# ONNX Runtime reads it, and would take the host's for the emulated machine's: an x86 one ends the process.
CPUINFO = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
"""


@dataclass(frozen=True)
class Emulator:
    """What runs a program for 64-bit Arm Linux on this machine."""

    qemu: str
    prefix: Path
    """Holds what the program finds at /: the libraries of Arm's Linux."""
    version: str
    plugin: Path | None
    """Counts what runs; None where QEMU is too new for it."""

    def command(self, core: str, *program: str | Path, counts: Path | None = None) -> list[str]:
        """Return the command that runs a program as on `core`; with `counts` its blocks are written to that file."""
        options: list[str | Path] = ["-cpu", core, "-L", self.prefix]
        if counts is not None and self.plugin is not None:
            names = "first=libedgenet_ops,second=libonnxruntime"
            options += ["-plugin", f"{self.plugin},out={counts},{names}"]
        return [str(part) for part in (self.qemu, *options, *program)]


def find_emulator() -> Emulator:
    """Return the emulator, its plugin built where this QEMU takes it.

    Raises:
        EdgenetError: a program or library is missing; the message names the packages.
    """
    qemu, compiler = shutil.which("qemu-aarch64"), shutil.which("cc") or shutil.which("gcc")
    missing = [
        name
        for name, found in (
            ("qemu-aarch64", qemu),
            (f"{_LIBRARIES}/libstdc++.so.6", (_LIBRARIES / "libstdc++.so.6").exists()),
        )
        if not found
    ]
    if qemu is None or missing:
        raise _missing(missing)
    version = re.search(r"version ([\d.]+)", _output([qemu, "--version"]))
    if version is None:
        raise EdgenetError(f"{qemu} does not say its version; install QEMU anew (Debian: apt-get install qemu-user).")
    if int(version[1].partition(".")[0]) > LAST_PLUGIN_VERSION:
        return Emulator(qemu, _prefix(), version[1], None)
    if compiler is None:
        raise _missing(["a C compiler (cc)"])
    return Emulator(qemu, _prefix(), version[1], _built_plugin(compiler))


def _missing(names: list[str]) -> EdgenetError:
    return EdgenetError(
        f"--device arm64 needs {', '.join(names)}. Install what is missing (Debian: apt-get install {PACKAGES})."
    )


def _prefix() -> Path:
    folder = cache_folder() / "arm64"
    (folder / "proc").mkdir(parents=True, exist_ok=True)
    if not (folder / "lib").exists():
        (folder / "lib").symlink_to(_LIBRARIES)
    write_whole(folder / "proc" / "cpuinfo", CPUINFO)
    return folder


def _built_plugin(compiler: str) -> Path:
    """Build the plugin once; a newer text of it is another file."""
    plugin = cache_folder() / "arm64" / f"block_counts-{hashlib.sha256(_PLUGIN.read_bytes()).hexdigest()[:16]}.so"
    if not plugin.exists():

        def build(path: Path) -> None:
            _output([compiler, "-O2", "-shared", "-fPIC", "-o", str(path), str(_PLUGIN)])

        write_whole(plugin, build)
    return plugin


def _output(command: list[str]) -> str:
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise EdgenetError(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")
    return done.stdout
