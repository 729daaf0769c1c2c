"""`edgenet export`: one trained checkpoint becomes one verified .onnx file."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgenet.cli.base import Command, need_training, see_own_modules
from edgenet.errors import EdgenetError

if TYPE_CHECKING:
    from torch import nn

    from edgenet.models.encoder_decoder import EncoderDecoder
    from edgenet.tasks.held_out import HeldOut

_METADATA = ("model", "task", "data", "classes", "preprocessing")
_MOST_VERIFIED = 1000  # of samples over which a network runs step by step, spread evenly


@click.command(cls=Command, short_help="One trained checkpoint to .onnx.")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The file to write; default beside CHECKPOINT.")
@click.option(
    "--format",
    "form",
    default="onnx",
    show_default=True,
    type=click.Choice(["onnx", "c", "wasm"]),
    help="c: for a microcontroller; wasm: for a browser.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Of C: the folder; default beside CHECKPOINT.")
@click.option(
    "--steps", type=click.IntRange(1), help="Of C and wasm: the most steps of a sequence; default the longest sample's."
)
@click.option("--model", help="package.module:factory of your own network, where CHECKPOINT is of one.")
@click.option("--embed-preprocessing", is_flag=True, help="Let the file take pictures (uint8) or sound as they are.")
def export(
    checkpoint: Path, output: Path | None, form: str, out: Path | None, steps: int | None, model: str | None,
    embed_preprocessing: bool,
) -> None:  # fmt: skip
    """Write CHECKPOINT (its .safetensors, with the .json beside it) as ONNX, verified against torch.

    Verified on the samples.npz beside CHECKPOINT, on random inputs where there is none; embedded preprocessing of sound
    on made-up sounds as well.

    With --format c, where CHECKPOINT can be an exported .onnx file too: one header, one C99 file and the weights, made
    from the exported graph, for small CNNs and RNNs in all schemes. Memory is static and planned, nothing is allocated.
    The header says how to call it; edgenet bench --device cortex-m4 measures it.

    With --format wasm the same C as one WebAssembly module, built by clang and compared in Node: no runtime, and in a
    browser faster than the portable path. export/apps/web/wasm.js calls it; edgenet serve shows it beside the others.
    """
    if form != "onnx":
        from edgenet.cli.export_compiled import export_compiled

        if embed_preprocessing:
            raise click.UsageError("--embed-preprocessing is for ONNX alone.")
        if output and form == "c":
            raise click.UsageError("--output names a file; C is written into a folder, --out.")
        if out and form == "wasm":
            raise click.UsageError("--out names a folder; WebAssembly is written to a file, --output.")
        export_compiled(form, checkpoint, output or out, steps, model)
        return
    if out or steps:
        raise click.UsageError("--out is for --format c, --steps for c and wasm; ONNX is written to --output.")
    need_training()
    see_own_modules()
    from edgenet.training import load_checkpoint
    from edgenet.training.checkpoints import weights_path
    from edgenet.training.networks import find_network

    factory = find_network(model).factory if model else None
    network, metadata = load_checkpoint(checkpoint, factory)
    path = output or weights_path(checkpoint).with_suffix(".onnx")
    samples = checkpoint.with_name("samples.npz")
    result = export_network(network, metadata, path, samples, embed=embed_preprocessing)
    for name, share in result.agreement.items():
        click.echo(f"{name}: same class as torch on {share:.1%} of {result.samples} {result.sample_source} samples")
    if result.why_portable:
        click.echo(result.why_portable)
    # An encoder-decoder is two files, of which the decoder stands for both.
    is_pair = result.path.name.endswith("decoder.onnx")
    encoder = result.path.with_name(result.path.name.replace("decoder.onnx", "encoder.onnx"))
    written = f"{encoder} and {result.path}" if is_pair else result.path
    click.echo(f"Wrote {written}, {result.file_bytes / 1e6:.2f} MB.")


def export_network(
    network: "nn.Module", metadata: dict[str, Any], path: Path, samples: Path, *, embed: bool = False
) -> Any:
    """Export a checkpoint's network with what its metadata says, verified on the file `samples` if it is there.

    Raises:
        EdgenetError: the export failed or does not agree with torch, there are no samples of unequal lengths, or
            preprocessing that is to be embedded cannot be.
    """
    import torch

    from edgenet.exporter import export as export_model
    from edgenet.models.encoder_decoder import EncoderDecoder
    from edgenet.tasks.held_out import HeldOut

    known = {key: metadata[key] for key in _METADATA if key in metadata}
    held_out = HeldOut.load(samples) if samples.is_file() else None
    if held_out is None and None in metadata["input_shape"]:
        raise EdgenetError(f"{samples} is missing: samples of unequal lengths cannot be made up; copy it from the run")
    if held_out is None or held_out.lengths is None:
        example = torch.zeros(1, *metadata["input_shape"])
        inputs = None if held_out is None else held_out.inputs
        return export_model(network, example, path, samples=inputs, metadata=known, embed=embed)
    verified = held_out.part(slice(0, None, math.ceil(len(held_out) / _MOST_VERIFIED)))
    if isinstance(network, EncoderDecoder):
        if embed:
            raise EdgenetError(
                f"{metadata.get('model', path.stem)} is an encoder and a decoder, which embed no preprocessing; export "
                "it without --embed-preprocessing."
            )
        return _export_pair(network, known, path, verified)
    # The file says the shape of a typical sample, by which its work is counted.
    example = torch.from_numpy(held_out.typical().inputs)
    assert verified.lengths is not None
    given = {"input": verified.inputs, "lengths": verified.lengths}
    return export_model(network, example, path, samples=given, metadata=known, embed=embed)


def _export_pair(network: "EncoderDecoder", known: dict[str, Any], path: Path, verified: "HeldOut") -> Any:
    """Write an encoder and its decoder beside each other; what both are, as if they were one file."""
    from dataclasses import replace

    import torch

    from edgenet.exporter import export_encoder_decoder

    inputs, read, lengths = (
        torch.from_numpy(array) for array in (verified.inputs, verified.targets[:, :-1], verified.lengths)
    )
    prefix = "" if path.stem == "decoder" else f"{path.stem}-"
    both = export_encoder_decoder(network, inputs, read, path.parent, lengths=lengths, metadata=known, prefix=prefix)
    encoder, decoder = both.values()
    return replace(
        decoder,
        file_bytes=encoder.file_bytes + decoder.file_bytes,
        agreement={name: min(share, encoder.agreement.get(name, share)) for name, share in decoder.agreement.items()},
        max_abs_error={
            name: max(error, encoder.max_abs_error.get(name, 0.0)) for name, error in decoder.max_abs_error.items()
        },
    )
