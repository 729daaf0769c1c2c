"""Cycles that llvm-mca predicts of a loop."""

import re
import subprocess

from click import ClickException

from benchmarks.arm.loops import Loop
from edgenet.bench.devices import prediction
from edgenet.errors import EdgenetError

_ANALYSED = 50_000  # instructions: enough for the beginning not to count


def find_mca() -> str:
    """Return llvm-mca's path. Raises ClickException where there is none, or only one that is too old."""
    try:
        return prediction.find_mca()
    except EdgenetError as error:
        raise ClickException(str(error)) from error


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
