"""Care of latent weights: clip them after each step, and notice outputs that training no longer reaches."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from edgenet.nn.layers import BinaryLayer

LATENT_BOUND = 1.0


class StarvedWeightsWarning(UserWarning):
    """Outputs of a binary layer that carry no information or no longer learn."""


@dataclass(frozen=True)
class StarvedChannels:
    """Starved outputs of one layer: counts of outputs, of which the layer has `outputs`."""

    layer: str
    outputs: int
    one_sign: int
    saturated: int
    never_flipped: int

    def __str__(self) -> str:
        found = [
            (self.one_sign, "have weights of one sign only"),
            (self.saturated, "have all latent weights at the clipping bound"),
            (self.never_flipped, "have no weight whose sign changed in training"),
        ]
        reasons = ", ".join(f"{count} {what}" for count, what in found if count)
        return f"{self.layer}: of {self.outputs} outputs {reasons}"


@torch.no_grad()
def clip_latent_weights(model: nn.Module, bound: float = LATENT_BOUND) -> None:
    """Clip the latent weights of every binary layer to [-bound, bound], in place.

    Beyond 1 the clipped straight-through estimator gives no gradient, and the sign could never flip again
    (Courbariaux et al. 2015, BinaryConnect, arXiv:1511.00363, section 2.4). Call it after each optimizer step.
    """
    for layer in _binary_layers(model).values():
        layer.weight.clamp_(-bound, bound)


def clip_after_step(optimizer: Optimizer, model: nn.Module) -> Any:
    """Have the optimizer clip the model's latent weights after every step; returns a handle with `remove()`."""
    return optimizer.register_step_post_hook(lambda *_: clip_latent_weights(model))


@torch.no_grad()
def latent_signs(model: nn.Module) -> dict[str, Tensor]:
    """Where each binary layer's latent weights are positive (bool tensors by layer name), to compare with later."""
    return {name: layer.weight >= 0 for name, layer in _binary_layers(model).items()}


@torch.no_grad()
def starved_channels(
    model: nn.Module, before: dict[str, Tensor] | None = None, *, warn: bool = True
) -> list[StarvedChannels]:
    """Layers with starved outputs: weights of one sign only, all at the clipping bound, or never flipped.

    `before` is `latent_signs(model)` from when training began; without it the last is not looked at. Outputs with a
    single weight are not judged, nor are embeddings, whose rows of rare tokens never learn. Warns once a layer
    (StarvedWeightsWarning) unless `warn` is False.
    """
    rows = []
    for name, layer in _binary_layers(model).items():
        weight = layer.weight.flatten(1)
        if weight.shape[1] < 2 or isinstance(layer, nn.Embedding):
            continue
        positive = weight >= 0
        one_sign = positive.all(1) | ~positive.any(1)
        saturated = (weight.abs() >= LATENT_BOUND).all(1)
        never_flipped = torch.zeros_like(one_sign)
        if before is not None and name in before:
            never_flipped = (positive == before[name].flatten(1)).all(1)
        counts = [int(mask.sum()) for mask in (one_sign, saturated, never_flipped)]
        if any(counts):
            rows.append(StarvedChannels(name, weight.shape[0], *counts))
    if warn:
        for row in rows:
            warnings.warn(f"starved weights in {row}", StarvedWeightsWarning, stacklevel=2)
    return rows


def _binary_layers(model: nn.Module) -> dict[str, BinaryLayer]:
    """Binary layers that training updates; frozen ones hold no parameter."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, BinaryLayer) and isinstance(module.weight, nn.Parameter)
    }
