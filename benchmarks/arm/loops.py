"""The innermost loops of an object file, and the multiply-adds in them."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from click import ClickException

_FUNCTION = re.compile(r"[0-9a-f]+ <(.*)>:$")
_INSTRUCTION = re.compile(r"\s*([0-9a-f]+):\s+(\S.*)$")
_BRANCH = re.compile(r"(?:b\.\w+|cbn?z|tbn?z)\s+(?:\S+,\s*)*([0-9a-f]+) <")


@dataclass(frozen=True)
class Loop:
    """The instructions of a loop without another loop in it; its last one branches back to the label `.Lloop`."""

    function: str
    instructions: tuple[str, ...]

    def macs(self, each: dict[str, int]) -> int:
        """Return the multiply-adds of an iteration, where `each` says how many an instruction's mnemonic makes."""
        return sum(each.get(instruction.split()[0], 0) for instruction in self.instructions)


def innermost_loops(disassembly: str) -> list[Loop]:
    """Return the innermost loops in the output of `objdump -dC --no-show-raw-insn`."""
    functions: list[tuple[str, list[tuple[int, str]]]] = []
    for line in disassembly.splitlines():
        if found := _FUNCTION.match(line):
            functions.append((found[1], []))
        elif functions and (found := _INSTRUCTION.match(line)):
            functions[-1][1].append((int(found[1], 16), found[2].split("//")[0].strip()))
    return [loop for name, instructions in functions for loop in _loops(name, instructions)]


def _loops(name: str, instructions: list[tuple[int, str]]) -> list[Loop]:
    first = instructions[0][0] if instructions else 0
    ranges = []
    for address, text in instructions:
        found = _BRANCH.match(text)
        if found and first <= (target := int(found[1], 16)) < address:
            ranges.append((target, address))
    innermost = [
        (start, end)
        for start, end in ranges
        if not any(start <= s and e <= end and (s, e) != (start, end) for s, e in ranges)
    ]
    return [
        Loop(name, tuple(_labelled(text, end == address) for address, text in instructions if start <= address <= end))
        for start, end in innermost
    ]


def _labelled(text: str, last: bool) -> str:
    return re.sub(r"[0-9a-f]+ <.*>$", ".Lloop" if last else ".Lout", text)


def busiest_loop(object_file: Path, each: dict[str, int], objdump: str, function: str = "") -> Loop:
    """Return the innermost loop that makes the most multiply-adds an iteration, in functions whose name has `function`.

    Raises ClickException where no loop makes any.
    """
    done = subprocess.run(
        [objdump, "-dC", "--no-show-raw-insn", object_file], capture_output=True, text=True, check=True
    )
    loops = [loop for loop in innermost_loops(done.stdout) if function in loop.function]
    loop = max(loops, key=lambda loop: loop.macs(each), default=None)
    if loop is None or loop.macs(each) == 0:
        raise ClickException(f"{object_file} has no loop with {' or '.join(each)}")
    return loop
