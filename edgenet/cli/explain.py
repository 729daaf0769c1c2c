"""`edgenet explain`: what the networks of a run look at in a picture."""

from pathlib import Path

import click

from edgenet.cli.base import Command, need_training, see_own_modules
from edgenet.errors import EdgenetError


@click.command(cls=Command, short_help="What full, bwn and xnor look at in a picture.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--image", required=True, type=click.Path(path_type=Path), help="The picture, as the network's app gets it."
)
@click.option("--layer", help="Whose feature maps to use; default the last of at least 4x4.")
@click.option("--out", type=click.Path(path_type=Path), help="The PNG to write; default RUN/explain-IMAGE.png.")
@click.option("--model", help="package.module:factory of your own network, where RUN is of one.")
def explain(run: Path, image: Path, layer: str | None, out: Path | None, model: str | None) -> None:
    """Draw the picture and, side by side, what speaks for the class that each network of RUN sees in it (Grad-CAM).

    The networks are those of RUN's checkpoints, a classifier of images. Heat maps are as fine as the layer's feature
    maps, which the picture names; bright is what speaks for the class, and each map is scaled by its own largest value.
    """
    need_training()
    see_own_modules()
    import torch

    from edgenet.analysis.grad_cam import explain as explain_sample
    from edgenet.analysis.run_folder import load_image_networks
    from edgenet.report.explanation import draw_explanation
    from edgenet.tasks.folders import read_images
    from edgenet.tasks.pictures import PicturePreprocessing
    from edgenet.training.networks import find_network

    path = out or run / f"explain-{image.stem}.png"
    if path.is_dir() or not path.parent.is_dir():
        raise EdgenetError(f"{path} cannot be written; name a file in a folder that is there.")
    networks = load_image_networks(run, find_network(model).factory if model else None)
    first = networks[0].metadata
    preprocessing = PicturePreprocessing.of(first.get("preprocessing") or {})
    if preprocessing is None:
        raise EdgenetError(
            f"{run} does not say how pictures become inputs of {first['model']}, so none can be explained"
        )
    picture = read_images([image], (preprocessing.channels, *preprocessing.size)).transpose(0, 2, 3, 1)
    sample = torch.from_numpy(preprocessing.samples(picture))
    top, left, _, _ = preprocessing.margins
    height, width = preprocessing.size
    panels, places = [], []
    for network in networks:
        found = explain_sample(network.model, sample, layer)
        name = network.metadata["classes"][found.predicted]
        panels.append(
            (f"{network.scheme}: {name}, {found.probability:.1%}", found.heat[top : top + height, left : left + width])
        )
        places.append(f"{found.layer} ({found.grid[0]}x{found.grid[1]})")
        note = "" if found.heat.any() else "; nothing in this layer speaks for it"
        click.echo(f"{network.scheme:4}  {name}, {found.probability:.1%}; by {places[-1]}{note}")
    layers = (
        places[0]
        if len(set(places)) == 1
        else ", ".join(f"{n.scheme}: {p}" for n, p in zip(networks, places, strict=True))
    )
    draw_explanation(picture[0], panels, f"{first['model']}, Grad-CAM at {layers}", path)
    click.echo(f"Wrote {path}.")
