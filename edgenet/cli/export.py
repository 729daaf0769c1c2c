"""`edgenet export`: one trained checkpoint becomes one verified .onnx file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgenet.cli.base import Command, need_training, see_own_modules

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_METADATA = ("model", "task", "data", "classes", "preprocessing")


@click.command(cls=Command, short_help="One trained checkpoint to .onnx.")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The file to write; default beside CHECKPOINT.")
@click.option("--model", help="package.module:factory of your own network, where CHECKPOINT is of one.")
def export(checkpoint: Path, output: Path | None, model: str | None) -> None:
    """Write CHECKPOINT (its .safetensors, with the .json beside it) as ONNX, verified against torch.

    Verified on the samples.npz beside CHECKPOINT, on random inputs where there is none.
    """
    need_training()
    see_own_modules()
    from edgenet.training import load_checkpoint
    from edgenet.training.checkpoints import weights_path
    from edgenet.training.networks import find_network

    factory = find_network(model).factory if model else None
    network, metadata = load_checkpoint(checkpoint, factory)
    path = output or weights_path(checkpoint).with_suffix(".onnx")
    result = export_network(network, metadata, path, samples=checkpoint.with_name("samples.npz"))
    for name, share in result.agreement.items():
        click.echo(f"{name}: same class as torch on {share:.1%} of {result.samples} {result.sample_source} samples")
    if result.why_portable:
        click.echo(result.why_portable)
    click.echo(f"Wrote {path}, {result.file_bytes / 1e6:.2f} MB.")


def export_network(network: "nn.Module", metadata: dict[str, Any], path: Path, samples: Path) -> Any:
    """Export a checkpoint's network with what its metadata says, verified on the file `samples` if it is there.

    Raises:
        EdgenetError: the export failed or does not agree with torch.
    """
    import torch

    from edgenet.exporter import export as export_model

    shape = metadata["input_shape"]
    known = {key: metadata[key] for key in _METADATA if key in metadata}
    return export_model(network, torch.zeros(1, *shape), path, samples=_read_samples(samples), metadata=known)


def _read_samples(file: Path) -> "np.ndarray | None":
    from edgenet.bench.inputs import read_samples

    return read_samples(file)[0] if file.is_file() else None
