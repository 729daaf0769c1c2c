"""Normalisation of the hidden half of a recurrent layer."""

import torch
from torch import Tensor, nn


class RunningNorm(nn.Module):
    """Batch normalisation per feature with its running statistics, in training too: `weight * (z - mean) / std`.

    One set of statistics serves all steps of a sequence. Training follows the batch with them but never normalises by
    the batch itself, so that what is trained is what inference computes (batch renormalisation, Ioffe 2017,
    arXiv:1702.03275, at its limit). There is no additive parameter: the input half of the layer has one.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, gain: float, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((features,), gain))
        self.momentum, self.eps = momentum, eps
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def affine(self) -> tuple[Tensor, Tensor]:
        """(scale, offset) [features] such that the normalised z is `scale * z + offset`."""
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        # A copy: `follow` moves the mean in place before the backward pass reads it.
        return scale, -scale * self.running_mean.clone()

    @torch.no_grad()
    def follow(self, z: Tensor) -> None:
        """Move the statistics towards those of z [samples, features]."""
        variance, mean = torch.var_mean(z.float(), 0, correction=0)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
