"""`edgenet export --format c|wasm`: C for a microcontroller or WebAssembly, compared with the .onnx it is made of."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgenet.cli.base import need_training, note, see_own_modules
from edgenet.errors import EdgenetError
from edgenet.files import write_whole

if TYPE_CHECKING:
    from edgenet.microcontroller import Program
    from edgenet.microcontroller.samples import Feeds, Run

_MOST_COMPARED = 1000
_RANDOM = 32
_MINIMUM_AGREEMENT = 0.995


def export_compiled(form: str, checkpoint: Path, target: Path | None, steps: int | None, model: str | None) -> None:
    """Write a checkpoint, or an exported .onnx file, as C into a folder or as a WebAssembly module.

    Args:
        form: "c" or "wasm".
        target: the folder or the file; else one beside the checkpoint, after its name.

    Raises:
        EdgenetError: a layer cannot be written in C, a tool is missing, or what was written does not agree with the
            .onnx file; then nothing is left.
    """
    write = {"c": _write_c, "wasm": _write_wasm}[form]
    samples = checkpoint.with_name("samples.npz")
    if checkpoint.suffix == ".onnx":
        write(checkpoint, samples, target or _beside(checkpoint, form), steps)
        return
    need_training()
    see_own_modules()
    from edgenet.cli.export import export_network
    from edgenet.models.encoder_decoder import EncoderDecoder
    from edgenet.training import load_checkpoint
    from edgenet.training.checkpoints import weights_path
    from edgenet.training.networks import find_network

    network, metadata = load_checkpoint(checkpoint, find_network(model).factory if model else None)
    if isinstance(network, EncoderDecoder):
        raise EdgenetError(f"{checkpoint} is an encoder and a decoder; C can be written for networks in one file.")
    weights = weights_path(checkpoint)
    with tempfile.TemporaryDirectory(prefix="edgenet-") as name:
        file = Path(name) / f"{weights.stem}.onnx"
        export_network(network, metadata, file, samples)
        write(file, samples, target or _beside(weights, form), steps)


def _beside(file: Path, form: str) -> Path:
    return file.with_suffix(".wasm") if form == "wasm" else file.with_name(f"{file.stem}-c")


def _write_c(file: Path, samples: Path, folder: Path, steps: int | None) -> None:
    from edgenet.microcontroller import write_folder
    from edgenet.microcontroller.host import HostProgram, find_compiler

    program, feeds, are_given = _compile(file, samples, steps)
    if find_compiler() is None:
        note("Not compared with the .onnx file: there is no C compiler here.")
    else:
        with HostProgram(program) as host:
            _compare("c", file, program, feeds, are_given, lambda number: host.run(feeds[number]))
    files = write_folder(program, folder)
    constants = sum(array.nbytes for array in program.constants.values())
    click.echo(
        f"Wrote {', '.join(path.name for path in files)} into {folder}: {constants / 1e3:.1f} kB of constants, "
        f"{program.memory_bytes / 1e3:.1f} kB of static memory."
    )


def _write_wasm(file: Path, samples: Path, target: Path, steps: int | None) -> None:
    from edgenet.microcontroller.webassembly import compile_wasm, run_in_node

    program, feeds, are_given = _compile(file, samples, steps)
    module = compile_wasm(program)
    outputs = run_in_node(module, program.graph, feeds)
    if outputs is None:
        note("Not compared with the .onnx file: there is no Node here (Debian: apt-get install nodejs).")
    else:
        _compare("wasm", file, program, feeds, are_given, outputs.__getitem__)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, module)
    except OSError as error:
        raise EdgenetError(f"{target} cannot be written: {error.strerror}; name a file with --output") from error
    click.echo(f"Wrote {target}, {len(module) / 1e3:.1f} kB, which needs no runtime.")


def _compile(file: Path, samples: Path, steps: int | None) -> "tuple[Program, list[Feeds], bool]":
    """The program, what it is compared on, and whether that was given or is random."""
    from edgenet.microcontroller import compile_network
    from edgenet.microcontroller.samples import held_out_samples, longest, random_samples

    program = compile_network(file, steps=steps or longest(samples))
    graph = program.graph
    given = held_out_samples(graph, samples, _MOST_COMPARED)
    if graph.has_steps:
        given = [feeds for feeds in given if feeds[graph.inputs[0].name].shape[1] <= program.steps]
    return program, given or random_samples(graph, program.steps, _RANDOM), bool(given)


def _compare(form: str, file: Path, program: "Program", feeds: "Sequence[Feeds]", are_given: bool, run: "Run") -> None:
    """Say how what was compiled agrees with the .onnx file.

    Raises EdgenetError where it does not.
    """
    from edgenet.microcontroller.samples import compare
    from edgenet.runtime.session import InferenceSession

    found = compare(InferenceSession(file), program.graph, feeds, run)
    kind = "given" if are_given else "random"
    text = f"same class as the .onnx file on {found.same_class:.1%} of {found.samples} {kind} samples"
    # On noise the classes lie so close that rounding can change one.
    if are_given and found.same_class < _MINIMUM_AGREEMENT:
        raise EdgenetError(f"The {form} gives the {text}, {_MINIMUM_AGREEMENT:.1%} must be; nothing was written.")
    click.echo(f"{form}: {text}, largest difference {found.max_abs_error:.2g}")
