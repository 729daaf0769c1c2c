"""The trained networks of a run folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from edgenet.errors import EdgenetError
from edgenet.models.registry import SCHEMES
from edgenet.tasks.catalog import IMAGES
from edgenet.training import load_checkpoint
from edgenet.training.networks import Factory


@dataclass(frozen=True)
class RunNetwork:
    """One network of a run: in inference mode, with what stands in its checkpoint's JSON."""

    scheme: str
    model: nn.Module
    metadata: dict[str, Any]


def load_image_networks(folder: Path, factory: Factory | None = None) -> list[RunNetwork]:
    """The networks of a run over images, in the order full, bwn, xnor, those that are there.

    `factory` makes the float network where it is the user's own. Raises EdgenetError where there is no checkpoint, or
    the network does not classify images.
    """
    found = [scheme for scheme in SCHEMES if (folder / f"{scheme}.safetensors").is_file()]
    if not found:
        raise EdgenetError(
            f"{folder} holds no checkpoints (full.safetensors, bwn.safetensors or xnor.safetensors): name a run folder "
            "of edgenet binarize"
        )
    networks = []
    for scheme in found:
        model, metadata = load_checkpoint(folder / scheme, factory)
        task = metadata.get("task", IMAGES)
        if task != IMAGES:
            raise EdgenetError(f"{folder} is a run of {metadata['model']} ({task}): this is for classifiers of images")
        networks.append(RunNetwork(scheme, model.requires_grad_(False), metadata))
    return networks
