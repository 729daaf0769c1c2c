"""Accuracy under attack: how many samples a network still classifies rightly when each is moved against it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.analysis.run_folder import load_image_networks
from edgenet.errors import EdgenetError
from edgenet.tasks.held_out import HeldOut
from edgenet.tasks.measures import TOP1
from edgenet.tasks.pictures import PicturePreprocessing
from edgenet.training.networks import Factory
from edgenet.training.objectives import logits_of

EPSILONS = (0.0, 2 / 255, 4 / 255, 8 / 255)
"""How far every pixel is moved, of its range from 0 to 1."""
MOST_SAMPLES = 500
_BATCH = 50


def attack(
    model: nn.Module, samples: Tensor, targets: Tensor, epsilon: float, preprocessing: PicturePreprocessing
) -> Tensor:
    """The samples [N, C, H, W], each pixel moved by `epsilon` of its range the way that makes the loss larger.

    `clip(x + epsilon * sign(gradient of the cross-entropy of the right class))`, the fast gradient sign method of
    Goodfellow et al. 2015 (arXiv:1412.6572, section 4), clipped to what a picture can hold. The gradient is that of the
    network itself in inference mode (white box); that of its sign() is the estimator it was trained with.
    """
    samples = samples.detach().requires_grad_()
    loss = F.cross_entropy(logits_of(model(samples)), targets, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, samples)
    mean, std = (torch.from_numpy(part).view(-1, 1, 1) for part in (preprocessing.mean, preprocessing.std))
    return torch.clamp(samples.detach() + epsilon / std * gradient.sign(), -mean / std, (1 - mean) / std)


def accuracy_under_attack(
    model: nn.Module, held_out: HeldOut, preprocessing: PicturePreprocessing, epsilons: Sequence[float] = EPSILONS
) -> list[float]:
    """The share of samples that are classified rightly under each strength of `attack`; 0 attacks nothing."""
    right = np.zeros(len(epsilons), np.int64)
    for start in range(0, len(held_out), _BATCH):
        part = held_out.part(slice(start, start + _BATCH))
        samples, targets = torch.from_numpy(part.inputs), torch.from_numpy(part.targets)
        for place, epsilon in enumerate(epsilons):
            moved = samples if epsilon == 0 else attack(model, samples, targets, epsilon, preprocessing)
            with torch.no_grad():
                right[place] += int((logits_of(model(moved)).argmax(1) == targets).sum())
    return [float(count / len(held_out)) for count in right]


def measure_robustness(folder: Path, factory: Factory | None = None) -> dict[str, dict[str, Any]]:
    """The key `robustness` of each scheme's row: what was attacked, on how many of the run's held-out samples, and the
    accuracy at each strength, on at most MOST_SAMPLES of them, evenly spread.

    Raises EdgenetError where the run has no checkpoints or samples, or is none of a classifier of images.
    """
    networks = load_image_networks(folder, factory)
    first = networks[0].metadata
    preprocessing = PicturePreprocessing.of(first.get("preprocessing") or {})
    if preprocessing is None:
        raise EdgenetError(f"{folder} does not say what range the pixels of its images have: they cannot be attacked")
    if not (folder / "samples.npz").is_file():
        raise EdgenetError(
            f"{folder} lacks samples.npz, the held-out samples to attack: copy it from where it was made"
        )
    held_out = HeldOut.load(folder / "samples.npz")
    attacked = held_out.part(slice(0, None, -(-len(held_out) // MOST_SAMPLES)))
    return {
        network.scheme: {
            "attack": "fgsm",
            "network": f"{network.scheme}.safetensors",
            "samples": len(attacked),
            "metric": TOP1,
            "accuracies": [
                {"epsilon": epsilon, "value": value}
                for epsilon, value in zip(
                    EPSILONS, accuracy_under_attack(network.model, attacked, preprocessing), strict=True
                )
            ],
        }
        for network in networks
    }
