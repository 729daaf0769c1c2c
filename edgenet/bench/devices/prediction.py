"""Cycles of Arm cores, predicted: how often each block of instructions ran, times what llvm-mca says a run takes.

llvm-mca models a core's pipelines with every operand in the first-level cache and every branch foreseen, and a block is
taken to follow itself, as in a loop. So the figure is a lower bound of the cycles, an upper bound of the speed, and
holds for the operators' code alone.
"""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgenet.errors import EdgenetError

LABEL = "predicted, kernel only, upper bound"
# Others of Arm's cores have no scheduling model of their own in LLVM; Neoverse N1 is Cortex-A76's sibling.
CORES = ("cortex-a53", "cortex-a72", "neoverse-n1")
FIRST_VERSION = 19  # LLVM's first with a model of Neoverse N1 of its own
_ITERATIONS = 100
# Blocks that make up so much of all that ran are modelled; the rest is taken to run at their rate.
_COVERED = 0.98
_BRANCH = re.compile(r"^(b|bl|b\.\w+|cbn?z|tbn?z|adrp?)\s")


@dataclass(frozen=True)
class Block:
    """Instructions that run from the first to the last."""

    library: str
    offset: int
    instructions: tuple[str, ...]


def read_counts(file: Path) -> Counter[Block]:
    """Read what the plugin wrote: how often each block ran."""
    counts: Counter[Block] = Counter()
    for part in file.read_text().split("\n\n"):
        head, *instructions = part.strip().splitlines() or [""]
        if head:
            _, library, offset, runs = head.split()
            counts[Block(library, int(offset), tuple(instructions))] += int(runs)
    return counts


def find_mca() -> str:
    """Return llvm-mca's path.

    Raises:
        EdgenetError: there is none, or only one that is too old.
    """
    for name in (*(f"llvm-mca-{version}" for version in range(30, FIRST_VERSION - 1, -1)), "llvm-mca"):
        path = shutil.which(name)
        if path and _version(path) >= FIRST_VERSION:
            return path
    raise EdgenetError(
        f"What predicts the cycles of Arm cores needs llvm-mca {FIRST_VERSION} or newer. Install it (Debian: apt-get "
        f"install llvm-{FIRST_VERSION})."
    )


def _version(path: str) -> int:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"LLVM version (\d+)", done.stdout)
    return int(found[1]) if found else 0


def predict(each: Mapping[Block, float], core: str, mca: str) -> dict[str, Any]:
    """Predict one inference on a core: instructions and cycles of the operators' code, and the share that was modelled.

    Args:
        each: how often each block runs in one inference.
        core: one of CORES.
        mca: llvm-mca's path.

    Raises:
        EdgenetError: llvm-mca failed.
    """
    total = sum(count * len(block.instructions) for block, count in each.items())
    busiest = sorted(each, key=lambda block: each[block] * len(block.instructions), reverse=True)
    modelled, covered = [], 0.0
    for block in busiest:
        if covered >= _COVERED * total:
            break
        modelled.append(block)
        covered += each[block] * len(block.instructions)
    taken = _cycles(modelled, core, mca)
    known = [(block, cycles) for block, cycles in zip(modelled, taken, strict=True) if cycles is not None]
    covered = sum(each[block] * len(block.instructions) for block, _ in known)
    cycles = sum(each[block] * cycles for block, cycles in known)
    return {
        "instructions": round(total),
        "cycles": round(cycles * total / covered) if covered else None,
        "covered": covered / total if total else 0.0,
    }


def _cycles(blocks: Sequence[Block], core: str, mca: str) -> list[float | None]:
    """Cycles a run of each block; None where it has an instruction that llvm-mca does not know."""
    regions = [
        "\n".join([f"# LLVM-MCA-BEGIN {number}", *map(_assembly, block.instructions), f"# LLVM-MCA-END {number}"])
        for number, block in enumerate(blocks)
    ]
    command = [
        mca, "-mtriple=aarch64", f"-mcpu={core}", "-mattr=+dotprod,+fp16fml,+lse", f"-iterations={_ITERATIONS}",
        "--skip-unsupported-instructions=any", "--json", "-resource-pressure=false", "-instruction-info=false",
    ]  # fmt: skip
    done = subprocess.run(command, input="\n".join(regions) + "\n.Lout:\n", capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["CodeRegions"]
    except (ValueError, KeyError) as error:
        raise EdgenetError(f"llvm-mca could not model {core}: {done.stderr.strip()[-300:]}") from error
    by_name = {region["Name"]: region["SummaryView"]["TotalCycles"] / _ITERATIONS for region in found}
    return [by_name.get(str(number)) for number in range(len(blocks))]


def _assembly(instruction: str) -> str:
    """As LLVM reads it: where a branch goes does not matter, and is no longer known."""
    if _BRANCH.match(instruction):
        return re.sub(r"#0x[0-9a-f]+$", ".Lout", instruction)
    return instruction
