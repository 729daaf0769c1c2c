"""Cycles that llvm-mca predicts of a loop."""

import re
import shutil
import subprocess

from click import ClickException

from benchmarks.arm.loops import Loop

_FIRST_VERSION = 19  # the first with models of the Neoverse cores of its own
_ANALYSED = 50_000  # instructions: enough for the beginning not to count


def find_mca() -> str:
    """Return llvm-mca's path. Raises ClickException where there is none, or only one that is too old."""
    for name in [*(f"llvm-mca-{version}" for version in range(30, _FIRST_VERSION - 1, -1)), "llvm-mca"]:
        path = shutil.which(name)
        if path and _version(path) >= _FIRST_VERSION:
            return path
    raise ClickException(
        f"benchmarks.arm needs llvm-mca {_FIRST_VERSION} or newer. Install it (Debian: apt-get install llvm-19)."
    )


def _version(path: str) -> int:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"LLVM version (\d+)", done.stdout)
    return int(found[1]) if found else 0


def cycles(mca: str, loop: Loop, core: str) -> float:
    """Return the cycles of an iteration on a core, operands in the first-level cache."""
    source = ".arch_extension dotprod\n.Lloop:\n" + "\n".join(loop.instructions) + "\n.Lout:\n"
    iterations = max(50, _ANALYSED // len(loop.instructions))
    command = [mca, "-mtriple=aarch64", f"-mcpu={core}", f"-iterations={iterations}"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    found = re.search(r"Total Cycles:\s+(\d+)", done.stdout)
    if done.returncode != 0 or not found:
        raise ClickException(f"llvm-mca failed on {loop.function} for {core}: {done.stderr.strip()}")
    return int(found[1]) / iterations
