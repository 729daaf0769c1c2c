"""`edgenet export --format c`: a folder of C for a microcontroller, compared with the .onnx file it is made from."""

import tempfile
from pathlib import Path

import click

from edgenet.cli.base import need_training, note, see_own_modules
from edgenet.errors import EdgenetError

_MOST_COMPARED = 1000
_MINIMUM_AGREEMENT = 0.995


def export_c(checkpoint: Path, out: Path | None, steps: int | None, model: str | None) -> None:
    """Write a checkpoint, or an exported .onnx file, as C.

    Raises:
        EdgenetError: a layer cannot be written in C, or what was written does not agree with the .onnx file; then
            nothing is left.
    """
    samples = checkpoint.with_name("samples.npz")
    if checkpoint.suffix == ".onnx":
        _write(checkpoint, samples, out or checkpoint.with_name(f"{checkpoint.stem}-c"), steps)
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
    stem = weights_path(checkpoint).stem
    with tempfile.TemporaryDirectory(prefix="edgenet-") as name:
        file = Path(name) / f"{stem}.onnx"
        export_network(network, metadata, file, samples)
        _write(file, samples, out or checkpoint.with_name(f"{stem}-c"), steps)


def _write(file: Path, samples: Path, folder: Path, steps: int | None) -> None:
    from edgenet.microcontroller import compile_network, write_folder
    from edgenet.microcontroller.host import HostProgram, find_compiler
    from edgenet.microcontroller.samples import compare, held_out_samples, longest, random_samples
    from edgenet.runtime.session import InferenceSession

    program = compile_network(file, steps=steps or longest(samples))
    if find_compiler() is None:
        note("Not compared with the .onnx file: there is no C compiler here.")
    else:
        graph = program.graph
        given = held_out_samples(graph, samples, _MOST_COMPARED)
        fitting = [feeds for feeds in given if feeds[graph.inputs[0].name].shape[1] <= program.steps]
        given = fitting if graph.has_steps else given
        feeds = given or random_samples(graph, program.steps, 32)
        with HostProgram(program) as host:
            found = compare(InferenceSession(file), graph, feeds, lambda number: host.run(feeds[number]))
        kind = "given" if given else "random"
        text = f"same class as the .onnx file on {found.same_class:.1%} of {found.samples} {kind} samples"
        # On noise the classes lie so close that rounding can change one.
        if given and found.same_class < _MINIMUM_AGREEMENT:
            raise EdgenetError(f"The C gives the {text}, {_MINIMUM_AGREEMENT:.1%} must be; nothing was written.")
        click.echo(f"c: {text}, largest difference {found.max_abs_error:.2g}")
    files = write_folder(program, folder)
    constants = sum(array.nbytes for array in program.constants.values())
    click.echo(
        f"Wrote {', '.join(path.name for path in files)} into {folder}: {constants / 1e3:.1f} kB of constants, "
        f"{program.memory_bytes / 1e3:.1f} kB of static memory."
    )
