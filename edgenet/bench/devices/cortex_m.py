"""`--device cortex-m4` and its kin: the network as C, built for a Cortex-M and run by an emulated board.

Flash, RAM and instructions are exact and the same in every run; time is not told, as an emulator has none.
"""

import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import edgenet
from edgenet.bench import results
from edgenet.bench.devices.base import Device, Progress, Settings
from edgenet.bench.devices.limits import MemoryLimits
from edgenet.bench.targets import Target, collect, reference
from edgenet.errors import EdgenetError

if TYPE_CHECKING:
    from edgenet.microcontroller import Program
    from edgenet.microcontroller.samples import Feeds

Outputs = Sequence[NDArray[np.float32]]
"""Of one sample."""
COMPILER, EMULATOR = "arm-none-eabi-gcc", "qemu-system-arm"
_PACKAGES = {COMPILER: "gcc-arm-none-eabi libnewlib-arm-none-eabi", EMULATOR: "qemu-system-arm"}
_FIRMWARE = Path(__file__).parent / "firmware"
_STACK = 32768  # bytes, of the emulated board
_MOST_INSTRUCTIONS = 4e8  # over all samples, some ten seconds of emulation
_SECONDS = 300.0
_MINIMUM_AGREEMENT = 0.995
_KEYS = (
    "core", "flash_bytes", "ram_bytes", "stack_bytes", "instructions", "flash_ratio", "instructions_ratio", "fits",
    "flash_limit_bytes", "ram_limit_bytes", "flash_overflow_bytes", "ram_overflow_bytes", "samples", "outputs_checked",
    "outputs_equal", "max_abs_error", "same_class",
)  # fmt: skip


@dataclass(frozen=True)
class Core:
    """A core, how to compile for it, and the emulated board that runs its code."""

    name: str
    flags: tuple[str, ...]
    board: str
    flash: int
    """Bytes of the board, from address 0."""
    ram: int
    """Bytes of the board, from address 0x20000000."""
    emulated: str


_MEGABYTE = 1 << 20
_CORES = {
    core.name: core
    for core in (
        # There is no emulated board with a Cortex-M0 and enough memory; a Cortex-M3 runs the same instructions.
        Core("cortex-m0", ("-mcpu=cortex-m0", "-mfloat-abi=soft"), "mps2-an385", 4 * _MEGABYTE, 4 * _MEGABYTE,
             "Cortex-M0's instructions on an emulated Cortex-M3"),
        Core("cortex-m3", ("-mcpu=cortex-m3", "-mfloat-abi=soft"), "mps2-an385", 4 * _MEGABYTE, 4 * _MEGABYTE,
             "emulated Cortex-M3"),
        Core("cortex-m4", ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"), "mps2-an386", 4 * _MEGABYTE,
             4 * _MEGABYTE, "emulated Cortex-M4 with FPU"),
        Core("cortex-m7", ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"), "mps2-an500", 4 * _MEGABYTE,
             4 * _MEGABYTE, "emulated Cortex-M7 with FPU"),
        Core("cortex-m55", ("-mcpu=cortex-m55", "-mfloat-abi=hard"), "mps3-an547", _MEGABYTE // 2, _MEGABYTE // 2,
             "emulated Cortex-M55 with FPU and Helium"),
    )
}  # fmt: skip


class CortexMDevice(Device):
    """A Cortex-M without an operating system, emulated by QEMU.

    `min_runs` is how many samples it runs at most: those of the run folder, of which a row has agreement with the .onnx
    file and accuracy, or random ones. Fewer where they would take too many instructions.
    """

    pattern = "cortex-m0|m3|m4|m7|m55"
    description = "a microcontroller, emulated: the network as C; flash, RAM and instructions an inference"
    ignores = ("threads", "min_seconds")

    def __init__(self, core: Core, limits: MemoryLimits | None = None) -> None:
        self.core, self.name, self.limits = core, core.name, limits or MemoryLimits()

    @classmethod
    def named(cls, name: str) -> "CortexMDevice | None":
        if not name.startswith("cortex-m"):
            return None
        if name not in _CORES:
            raise EdgenetError(f"There is no device {name!r}; of its kind there is {', '.join(_CORES)}.")
        return cls(_CORES[name])

    def with_limits(self, limits: MemoryLimits) -> "CortexMDevice":
        """The same core on a part of so much memory."""
        return CortexMDevice(self.core, limits)

    def environment(self, threads: int) -> dict[str, object]:
        _need_tools()
        return {
            "cpu": self.core.emulated,
            "isa": " ".join(self.core.flags),
            "cores": 1,
            "threads": None,
            "governor": None,
            "os": f"none, QEMU {_version(EMULATOR)}",
            "compiler": f"{COMPILER} {_version(COMPILER)} -O2",
            "python": None,
            "onnxruntime": None,
            "edgenet": edgenet.__version__,
            "operators": None,
        }

    def measure(self, paths: Sequence[str | Path], settings: Settings, progress: Progress) -> list[dict[str, Any]]:
        _need_tools()
        if settings.shapes or settings.inputs or settings.quantize or settings.profile:
            raise EdgenetError(
                f"Input shapes, own inputs, quantising and profiles are not for {self.name}; leave these options out."
            )
        targets = collect(paths, native=False)
        rows = []
        for number, target in enumerate(targets):
            progress(number / len(targets), f"{target.model} {target.scheme or target.file.name} on {self.name}")
            rows.append(self._row(target, settings))
        for target, row in zip(targets, rows, strict=True):
            index = reference(target, targets)
            if index is not None and rows[index] is not row:
                _compare_with_full(row, rows[index])
        progress(1.0, "done")
        return rows

    def _row(self, target: Target, settings: Settings) -> dict[str, Any]:
        from edgenet.microcontroller import compile_network, write_folder
        from edgenet.microcontroller.samples import (
            compare,
            held_out_samples,
            longest,
            random_samples,
            unpack_outputs,
        )
        from edgenet.runtime.session import InferenceSession

        if target.encoder is not None:
            raise EdgenetError(f"{target.name} is half of a network; C can be written for networks in one file.")
        row = results.static_row(self.name, target)
        row["path"] = "c"
        held_out = target.file.with_name("samples.npz") if target.samples is None else target.samples
        program = compile_network(target.file, "network", steps=longest(held_out))
        graph = program.graph
        samples = held_out_samples(graph, held_out, settings.min_runs)
        samples = samples or random_samples(graph, program.steps, settings.min_runs)
        row["input"] = list(samples[0][graph.inputs[0].name].shape)
        row["microcontroller"] = found = dict.fromkeys(_KEYS) | {
            "core": self.name, "flash_limit_bytes": self.limits.flash, "ram_limit_bytes": self.limits.ram,
        }  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="edgenet-") as name:
            folder = Path(name)
            write_folder(program, folder)
            (folder / "glue.h").write_text(_glue(program))
            try:
                image = self._build(folder, self.core.flash, self.core.ram, _STACK)
            except TooSmallError as error:
                found.update(fits=False, flash_overflow_bytes=error.flash, ram_overflow_bytes=error.ram)
                row["flags"].append(f"does not fit the emulated board: {error}")
                return row
            measured = self._run(folder, image, program, samples[:1])
            samples = samples[: max(1, int(_MOST_INSTRUCTIONS / max(measured.instructions, 1)))]
            if len(samples) > 1:
                measured = self._run(folder, image, program, samples)
            flash, static = _sections(image)
            found.update(flash_bytes=flash, ram_bytes=static + measured.stack, stack_bytes=measured.stack)
            overflow = self._overflow(folder, measured.stack)
        outputs = unpack_outputs(graph, samples, measured.outputs)
        comparison = compare(InferenceSession(target.file), graph, samples, outputs.__getitem__)
        found.update(
            instructions=measured.instructions,
            fits=not any(overflow),
            flash_overflow_bytes=overflow[0],
            ram_overflow_bytes=overflow[1],
            samples=comparison.samples,
            outputs_checked=comparison.outputs,
            outputs_equal=comparison.equal,
            max_abs_error=comparison.max_abs_error,
            same_class=comparison.same_class,
        )
        if settings.accuracy and target.samples is not None:
            row["accuracy"] = _accuracy(target.samples, outputs)
        row["flags"] += _flags(found)
        return row

    def _build(self, folder: Path, flash: int, ram: int, stack: int) -> Path:
        """Compile and link for memory of these sizes, in bytes.

        Raises:
            EdgenetError: the linker found too little memory, or the compiler failed.
        """
        image = folder / f"image-{flash}-{ram}-{stack}.elf"
        sizes = {"FLASH_ORIGIN": 0, "FLASH_SIZE": flash, "RAM_ORIGIN": 0x20000000, "RAM_SIZE": ram, "STACK_SIZE": stack}
        command = [
            COMPILER, "-std=c99", "-mthumb", *self.core.flags, "-O2", "-ffunction-sections", "-fdata-sections",
            "-Wall", "-Wextra", "-nostartfiles", "-specs=nano.specs", f"-I{folder}", f"-I{_FIRMWARE}",
            *(f"-Wl,--defsym={name}={size}" for name, size in sizes.items()),
            "-Wl,--gc-sections,--no-warn-rwx-segments", f"-T{_FIRMWARE / 'board.ld'}",
            str(_FIRMWARE / "start.c"), str(_FIRMWARE / "main.c"), str(folder / "network.c"), "-lm", "-o", str(image),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        overflow = {region: int(size) for region, size in re.findall(r"`(\w+)' overflowed by (\d+)", done.stderr)}
        if overflow:
            raise TooSmallError(overflow.get("FLASH", 0), overflow.get("RAM", 0))
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line or "overflow" in line]
            raise EdgenetError(f"{COMPILER} could not build for {self.name}: {'; '.join(lines) or done.stderr[-300:]}")
        return image

    def _overflow(self, folder: Path, stack: int) -> tuple[int, int]:
        """By how many bytes flash and RAM of the part are too small, as the linker says; 0 where they are not."""
        flash = self.limits.flash or self.core.flash
        ram = self.limits.ram or self.core.ram
        try:
            self._build(folder, flash, ram, stack)
        except TooSmallError as error:
            return error.flash, error.ram
        return 0, 0

    def _run(self, folder: Path, image: Path, program: "Program", samples: "Sequence[Feeds]") -> "Measured":
        from edgenet.microcontroller.samples import pack_samples

        (folder / "inputs.bin").write_bytes(pack_samples(program.graph, samples))
        command = [
            EMULATOR, "-M", self.core.board, "-nographic", "-monitor", "none", "-serial", "none",
            "-icount", "shift=0", "-semihosting-config", "enable=on,target=native", "-kernel", str(image),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise EdgenetError(f"{image.name} did not end within {_SECONDS:.0f} s on the emulated board.") from error
        if done.returncode:
            raise EdgenetError(
                f"The emulated {self.name} stopped with code {done.returncode}: {done.stderr.strip()[-200:]}"
            )
        loop, run, loops, count, stack, _ = struct.unpack("<QQIIII", (folder / "measured.bin").read_bytes())
        if count != len(samples):
            raise EdgenetError(f"The emulated {self.name} ran {count} of {len(samples)} samples.")
        # The timer's tick takes as many instructions as a loop of known length says.
        instructions = run * (2 * loops / loop) / count
        outputs = np.frombuffer((folder / "outputs.bin").read_bytes(), "<f4")
        return Measured(round(instructions), stack, outputs)


@dataclass(frozen=True)
class Measured:
    """What a run on the emulated board gave."""

    instructions: int
    stack: int
    """Bytes of the network's deepest call."""
    outputs: NDArray[np.float32]
    """Of all samples, one behind the other."""


class TooSmallError(EdgenetError):
    """The linker found too little memory; `flash` and `ram` are the bytes that are missing."""

    def __init__(self, flash: int, ram: int) -> None:
        self.flash, self.ram = flash, ram
        missing = [f"{size} bytes of {name}" for name, size in (("flash", flash), ("RAM", ram)) if size]
        super().__init__(f"{' and '.join(missing)} are missing")


@cache
def _version(tool: str) -> str:
    option = "-dumpfullversion" if tool == COMPILER else "--version"
    text = subprocess.run([tool, option], capture_output=True, text=True).stdout
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found.group() if found else "of unknown version"


def _need_tools() -> None:
    missing = [tool for tool in (COMPILER, EMULATOR) if shutil.which(tool) is None]
    if missing:
        packages = " ".join(_PACKAGES[tool] for tool in missing)
        raise EdgenetError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; get them with "
            f"apt-get install {packages}."
        )


def _sections(image: Path) -> tuple[int, int]:
    """Bytes of flash (code, constants, first values of variables) and of static RAM, without the stack."""
    text = subprocess.run([COMPILER.replace("gcc", "size"), "-A", str(image)], capture_output=True, text=True).stdout
    sizes = {name: int(size) for name, size in re.findall(r"^(\.\S+)\s+(\d+)", text, re.MULTILINE)}
    flash = sum(sizes.get(name, 0) for name in (".text", ".ARM.exidx", ".data"))
    return flash, sizes.get(".data", 0) + sizes.get(".bss", 0)


def _glue(program: "Program") -> str:
    """C that gives the board's main program room for inputs and outputs, and the call."""
    from edgenet.microcontroller.graph import STEPS
    from edgenet.microcontroller.text import identifier
    from edgenet.microcontroller.writing import c_type, can_refuse

    graph = program.graph
    arrays: list[str] = []
    read: list[str] = []
    write: list[str] = []
    transfers = [(value, read, "read_file") for value in graph.inputs]
    transfers += [(value, write, "write_file") for value in graph.outputs]
    for value, lines, function in transfers:
        name = identifier(value.name)
        arrays.append(f"static {c_type(value)} {name}[{program.room(value)}];")
        size = f"{value.columns}u * sizeof *{name}" + (" * (uint32_t)steps" if value.rows == STEPS else "")
        lines.append(f"{function}(file, {name}, {size})")
    inputs, outputs = ([identifier(value.name) for value in values] for values in (graph.inputs, graph.outputs))
    call = f"network_run({', '.join([*inputs, *['steps'] * graph.has_steps, *outputs])})"
    body = f"return {call};" if can_refuse(program) else f"(void)steps;\n  {call};\n  return 0;"
    return "\n".join(
        [
            '#include "board.h"', '#include "network.h"', "", *arrays, "",
            "static uint32_t read_inputs(uint32_t file, int32_t steps) {", "  (void)steps;",
            f"  return {' | '.join(read)};", "}", "",
            "static uint32_t write_outputs(uint32_t file, int32_t steps) {", "  (void)steps;",
            f"  return {' | '.join(write)};", "}", "", f"static int run_network(int32_t steps) {{\n  {body}\n}}", "",
        ]
    )  # fmt: skip


def _accuracy(samples: Path, outputs: Sequence[Outputs]) -> dict[str, Any]:
    """Accuracy on the first samples, of which these are the outputs."""
    from edgenet.runtime.answers import read_answers
    from edgenet.tasks.held_out import HeldOut

    held_out = HeldOut.load(samples)
    ran = held_out.part(slice(0, len(outputs)))
    answers: list[Any] = []
    for number, arrays in enumerate(outputs):
        # Alone a sample is without padding, as it ran.
        one = held_out.part(slice(number, number + 1))
        answers += read_answers(ran.task, arrays, one.lengths, one.targets)
    return {"metric": ran.metric, "value": ran.value(answers), "samples": len(answers), "loss_vs_full": None}


def _compare_with_full(row: dict[str, Any], full: dict[str, Any]) -> None:
    """Add how many times as large and as long full is, and the loss where both answered the same samples."""
    results.add_losses(row, full)
    if row["accuracy"] and full["accuracy"] and row["accuracy"]["samples"] != full["accuracy"]["samples"]:
        row["accuracy"]["loss_vs_full"] = None
    over, own = full["microcontroller"], row["microcontroller"]
    for key in ("flash_bytes", "instructions"):
        if over[key] and own[key]:
            own[f"{key.removesuffix('_bytes')}_ratio"] = {"over": "full", "value": over[key] / own[key]}


def _flags(found: dict[str, Any]) -> list[str]:
    flags = [
        f"does not fit: needs {found[f'{key}_bytes']} bytes of {name}, "
        f"{found[f'{key}_overflow_bytes']} more than there are"
        for name, key in (("flash", "flash"), ("RAM", "ram"))
        if found[f"{key}_overflow_bytes"]
    ]
    if found["same_class"] < _MINIMUM_AGREEMENT:
        flags.append(f"differs from the .onnx file: the same class on {found['same_class']:.1%} of the samples")
    return flags
