"""What several of the networks are made of: normalisation that their full versions lack, initial weights, outputs."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class AuxiliaryOutputs(NamedTuple):
    """What a network with intermediate classifiers returns in training; in inference it returns the logits alone."""

    logits: Tensor
    """Of the last classifier, [N, classes]."""
    auxiliary: tuple[Tensor, ...]
    """Of the intermediate classifiers, [N, classes] each."""


class _Added(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation that the full network lacks: where the weights given hold none for it, it keeps its own."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if any(key.startswith(prefix) for key in state_dict):
            super()._load_from_state_dict(state_dict, prefix, *args)


class AddedBatchNorm1d(_Added, nn.BatchNorm1d):
    """Batch normalisation of x [N, C] in a binary version whose full network has none."""


class AddedBatchNorm2d(_Added, nn.BatchNorm2d):
    """Batch normalisation of x [N, C, H, W] in a binary version whose full network has none."""


@torch.no_grad()
def initialise(model: nn.Module, linear_deviation: float | None = None) -> None:
    """Draw the weights of convolutions as He et al. 2015 (arXiv:1502.01852, eq. 14, by outputs), biases as 0.

    Linear layers keep torch's own weights, or are drawn with the standard deviation given and biases of 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear) and linear_deviation is not None:
            nn.init.normal_(module.weight, 0, linear_deviation)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
