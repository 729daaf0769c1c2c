"""Grad-CAM: which part of an image speaks for the class that a network sees in it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.training.objectives import logits_of

_PASSING_ON = (
    nn.Identity,
    nn.Dropout,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._MaxPoolNd,
    nn.AvgPool2d,
)
_LEAST_SIDE = 4


@dataclass(frozen=True)
class Explanation:
    """What a network sees in one image: the class with the highest score, its probability (0 to 1), and the heat map
    [H, W] of the image's size, from 0 to 1; `layer` is where it was read off, on a grid of `grid` (height, width)."""

    predicted: int
    probability: float
    heat: NDArray[np.float32]
    layer: str
    grid: tuple[int, int]


def explain(model: nn.Module, sample: Tensor, layer: str | None = None) -> Explanation:
    """Grad-CAM of a classifier in inference mode on one sample [1, C, H, W].

    With A the feature maps of a layer and y the score of the predicted class: `relu(sum over k of w_k A_k)` with w_k
    the mean over places of dy/dA_k, scaled to a largest value of 1, bilinearly enlarged to the image (Selvaraju et al.
    2017, arXiv:1610.02391, eq. 1 and 2). Where sign() lies on the way its estimator is the gradient, as in training.

    layer
        The name of a module; None takes the last that hands on maps of at least 4x4 (else the last of the largest),
        pooling aside.

    Raises EdgenetError where the layer is unknown or hands on no feature maps, or there are none at all.
    """
    maps = _feature_maps(model, sample)
    if not maps:
        raise EdgenetError("the network has no layer with feature maps [channels, height, width] to explain it by")
    if layer is not None and layer not in maps:
        some = list(maps)[-8:]
        reason = "hands on no feature maps" if layer in dict(model.named_modules()) else "is unknown"
        raise EdgenetError(f"layer {layer!r} {reason}: use one such as {', '.join(some)}")
    chosen = layer if layer is not None else _last_useful(maps)
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        if output.dim() != 4:
            return output
        kept.append(output.detach().clone().requires_grad_())
        return kept[-1]

    hook = model.get_submodule(chosen).register_forward_hook(keep)
    try:
        logits = logits_of(model(sample))[0]
    finally:
        hook.remove()
    predicted = int(logits.argmax())
    # A module may run more than once: its last feature maps count.
    features = kept[-1]
    (gradient,) = torch.autograd.grad(logits[predicted], features, allow_unused=True)
    if gradient is None:
        raise EdgenetError(f"the class scores do not depend on layer {chosen!r}: name another")
    heat = F.relu((gradient.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True)).detach()
    heat = F.interpolate(heat, sample.shape[2:], mode="bilinear", align_corners=False)[0, 0]
    heat = heat / heat.max().clamp_min(1e-30)
    probability = float(logits.detach().softmax(0)[predicted])
    return Explanation(predicted, probability, heat.numpy(), chosen, (features.shape[2], features.shape[3]))


@torch.no_grad()
def _feature_maps(model: nn.Module, sample: Tensor) -> dict[str, tuple[int, int]]:
    """Sizes of the maps of every module that hands some on, in the order in which they do; those of 1x1 are none."""
    sizes: dict[str, tuple[int, int]] = {}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] * output.shape[3] > 1:
                sizes.pop(name, None)
                sizes[name] = (output.shape[2], output.shape[3])

        return hook

    hooks = [module.register_forward_hook(note(name)) for name, module in model.named_modules() if name]
    try:
        model(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: size for name, size in sizes.items() if not isinstance(model.get_submodule(name), _PASSING_ON)}


def _last_useful(maps: dict[str, tuple[int, int]]) -> str:
    large = [name for name, size in maps.items() if min(size) >= _LEAST_SIDE]
    if large:
        return large[-1]
    most = max(maps.values())
    return next(name for name in reversed(maps) if maps[name] == most)
