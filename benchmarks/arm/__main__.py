"""`python -m benchmarks.arm`: the inner loops of the Arm kernels against fp32's, as llvm-mca predicts them.

Builds the library for 64-bit Arm (`cmake --preset aarch64`), takes the loop with the most multiply-adds out of each
kernel's object file, and has llvm-mca say how many cycles an iteration takes on each core. fp32 is a loop of fused
multiply-adds over 8 x 12 outputs (`fmla.cpp`), compiled alike. Prints a Markdown table: multiply-adds a cycle, and how
many times fp32's they are.

That is an upper bound of the inner loop alone: all operands in the first-level cache, nothing packed, nothing finished.
It says nothing of milliseconds. LLVM has no model of the Cortex-A72 itself, it takes the Cortex-A57's.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from benchmarks.arm.loops import busiest_loop
from benchmarks.arm.mca import cycles, find_mca
from edgenet.files import write_whole

ROOT = Path(__file__).parents[2]
CORES = ("cortex-a53", "cortex-a55", "cortex-a72", "neoverse-n1")
DOT_PRODUCT_CORES = ("cortex-a55", "neoverse-n1")
TOOLS = "aarch64-linux-gnu-"
LABEL = "predicted, kernel only, upper bound"


@dataclass(frozen=True)
class Kernel:
    """A kernel's source below export/ops/kernels, and the multiply-adds of an instruction of its inner loop."""

    name: str
    source: str
    macs: dict[str, int]
    cores: tuple[str, ...] = CORES
    function: str = ""  # part of the name of the function that has the loop


KERNELS = (
    Kernel("XNOR convolution", "neon/xnor_conv.cpp", {"cnt": 128}),
    Kernel("XNOR linear, recurrent", "neon/linear.cpp", {"cnt": 128}),
    Kernel("binary weights, convolution", "neon/bwn_conv.cpp", {"fmla": 4}),
    Kernel("binary weights, linear, batch 4", "neon/linear.cpp", {"tbl": 12}, function="add_fields<4, 2, 1>"),
    Kernel("int8", "neon/int8.cpp", {"smull": 8, "smull2": 8}),
    Kernel("binary weights, 8-bit activations", "neon/int8.cpp", {"smlal": 8, "smlal2": 8}),
    Kernel("both with dot products", "neondot/int8.cpp", {"sdot": 16}, DOT_PRODUCT_CORES),
)


@dataclass(frozen=True)
class Row:
    """What is predicted of one inner loop."""

    kernel: str
    instructions: int
    macs: int
    macs_a_cycle: dict[str, float]
    ratios: dict[str, float]  # over fp32


@click.command()
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the rows as JSON.")
def main(json_file: Path | None) -> None:
    """Predict the multiply-adds a cycle of the Arm kernels' inner loops, and of fp32's."""
    mca = find_mca()
    with _fp32_loop() as fp32_object:
        rows = [_row(mca, Kernel("fp32", "", {"fmla": 4}), fp32_object, None)]
    objects = build()
    for kernel in KERNELS:
        rows.append(_row(mca, kernel, objects / f"{kernel.source}.o", rows[0]))
    click.echo(f"Multiply-adds a cycle of the inner loop ({LABEL}), and times fp32's:\n")
    click.echo(table(rows))
    if json_file:
        document = {"label": LABEL, "tool": _version_of(mca), "rows": [asdict(row) for row in rows]}
        write_whole(json_file, json.dumps(document, indent=2) + "\n")


def build() -> Path:
    """Build the library for Arm and return the folder of its kernels' object files. Raises ClickException."""
    cmake = shutil.which("cmake")
    if cmake is None:
        raise click.ClickException(
            "benchmarks.arm needs CMake. Install it (pip install cmake, or apt-get install cmake)."
        )
    for command in ([cmake, "--preset", "aarch64"], [cmake, "--build", "--preset", "aarch64", "--parallel", "2"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise click.ClickException(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()}")
    return ROOT / "build/aarch64/export/ops/CMakeFiles/edgenet_kernels.dir/kernels"


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table, cores as columns."""
    lines = [f"| inner loop | {' | '.join(CORES)} |", "|---|" + "---|" * len(CORES)]
    for row in rows:
        cells = [
            f"{row.macs_a_cycle[core]:.1f} ({row.ratios[core]:.1f}x)" if core in row.ratios else "-" for core in CORES
        ]
        lines.append(f"| {row.kernel} | {' | '.join(cells)} |")
    return "\n".join(lines)


@contextmanager
def _fp32_loop() -> Iterator[Path]:
    compiler = shutil.which(f"{TOOLS}g++")
    if compiler is None:
        raise click.ClickException(
            f"benchmarks.arm needs {TOOLS}g++. Install it (Debian: apt-get install g++-aarch64-linux-gnu)."
        )
    source = Path(__file__).with_name("fmla.cpp")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "fmla.o"
        subprocess.run([compiler, "-O3", "-std=c++17", "-mtune=cortex-a53", "-c", source, "-o", built], check=True)
        yield built


def _row(mca: str, kernel: Kernel, object_file: Path, fp32: Row | None) -> Row:
    loop = busiest_loop(object_file, kernel.macs, f"{TOOLS}objdump", kernel.function)
    macs = loop.macs(kernel.macs)
    rates = {core: macs / cycles(mca, loop, core) for core in kernel.cores}
    base = rates if fp32 is None else fp32.macs_a_cycle
    return Row(
        kernel.name, len(loop.instructions), macs, rates, {core: rate / base[core] for core, rate in rates.items()}
    )


def _version_of(mca: str) -> str:
    lines = subprocess.run([mca, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()
    return next(line.strip() for line in lines if "version" in line)


if __name__ == "__main__":
    main()
