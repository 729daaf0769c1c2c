"""How near a kernel is to what this machine can do at best.

The limit of a kernel is the longer of two times: its multiply-adds at the measured peak of its arithmetic, and the
bytes that it has to move (weights, input, output, each once; recurrent weights once a step) at the measured bandwidth
of reading over and over a buffer as large as they are, or as the recurrent weights are. The peak of an arithmetic is
what its inner loop alone reaches, operands in registers (`peaks.cpp`):

- XNOR convolutions have the best of four: `sign table`, one pshufb looks up the differing signs of 4 channels for 2
  outputs a lane, and with their share of additions 3 look-ups are 9 operations; `sum table` (AVX2), an entry of a table
  in the first-level cache is what the 5 weights that choose it count at 2 positions a lane, and 3 entries are 3 loads
  and 5 operations; `bit slices` (AVX-512), a lane is a bit, sum and carry of three weights are loaded, and counts are
  added in planes of bits by ternary logic; and `int8 tiles`.
- `popcount`, XNOR linear and recurrent layers: exclusive or, population count (by table where the set has none), and
  an addition.
- `sign slices`, the same: a lane is a bit, an output; the weights of the inputs whose sign is the rarer one, at most
  half of them, are added by carry-save, 5 logical operations an input (2 of three operands with AVX-512).
- `float table`, binary weights on float activations: one vpermps picks, for every lane, one of the signed sums of 4
  activations (3 on AVX2), and an addition.
- `byte table`, the same of linear and recurrent layers (AVX2, and AVX-512 with VBMI): for 32 or 64 outputs at once,
  vpshufb or vpermb picks one of the signed sums of 4 or 6 activations, a plane of 8 or 6 bits of it; 4 are added as
  bytes and then as words, 3 planes.
- `conv byte table`, the same of convolutions (AVX2): for 32 outputs at once, vpshufb picks one of the signed sums of 4
  activations, 3 planes; 2 are added as bytes.
- `int8 tiles` (AMX): 16 x 16 sums of 64 products of bytes an instruction.
- `int8`: VNNI where there is any, else vpmaddubsw, vpmaddwd and an addition; convolutions have `int8 tiles` too.
- `int8 table`, convolutions of binary weights and 8-bit activations (AVX2): as `conv byte table`, 2 planes, 4 added.
- `fma`: full precision.

A fraction above 1 says that a kernel found something better than the loop that stands for its arithmetic here, or that
the machine was disturbed while the limits were measured.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_name("peaks.cpp")
_FLAGS = ["-O3", "-std=c++17", "-march=native", "-mprefer-vector-width=512"]
_COMPILERS = ("c++", "g++", "clang++")
WEIGHT_BITS = {"xnor": 1, "bwn": 1, "int8": 8, "full": 32}


@dataclass(frozen=True)
class Roofline:
    """Peaks in multiply-adds a nanosecond, by instruction set and arithmetic; bandwidths in bytes a nanosecond."""

    peaks: dict[tuple[str, str], float]
    bandwidths: dict[int, float]

    def peak(self, isa: str | None, kinds: Sequence[str]) -> float | None:
        """Return the highest peak of these arithmetics on an instruction set (without its suffix), on any for None."""
        wanted = None if isa is None else isa.partition("-")[0]
        found = [peak for (name, kind), peak in self.peaks.items() if kind in kinds and wanted in (None, name)]
        return max(found, default=None)

    def bandwidth(self, size: float) -> float:
        """Return the bandwidth of reading so many bytes again and again: of the next smaller size that was measured."""
        fitting = [held for held in self.bandwidths if held <= size]
        return self.bandwidths[max(fitting, default=min(self.bandwidths))]

    def limit_us(self, macs: int, moved: float, held: float, isa: str | None, kinds: Sequence[str]) -> float | None:
        """Return the least microseconds for `macs` multiply-adds and `moved` bytes that are read from `held` bytes."""
        peak = self.peak(isa, kinds)
        return None if peak is None else max(macs / peak, moved / self.bandwidth(held)) / 1e3


def arithmetics(op: str, scheme: str, activations: str | None = None) -> tuple[str, ...]:
    """Return what an operator may be computed by; its limit is that of the fastest."""
    if scheme == "xnor":
        return (
            ("sign table", "sum table", "bit slices", "int8 tiles")
            if op.startswith("conv")
            else ("popcount", "sign slices")
        )
    if scheme == "bwn":
        if activations:
            return ("int8", "int8 table", "int8 tiles")
        return ("float table", "conv byte table") if op.startswith("conv") else ("float table", "byte table")
    if scheme == "int8":
        return ("int8", "int8 tiles") if op.startswith("conv") else ("int8",)
    return ("fma",)


def measure_roofline() -> Roofline | None:
    """Compile and run `peaks.cpp` on the core this process is pinned to; None where there is no compiler."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peaks"
        subprocess.run([compiler, *_FLAGS, str(_SOURCE), "-o", str(program)], check=True, stderr=subprocess.DEVNULL)
        text = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    found = json.loads(text)
    return Roofline(
        {(entry["isa"], entry["arithmetic"]): entry["gmacs"] for entry in found["peaks"]},
        {entry["bytes"]: entry["gbytes"] for entry in found["bandwidth"]},
    )
