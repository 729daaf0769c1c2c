"""Normalisation of both halves of a recurrent layer."""

import torch
from torch import Tensor, nn


class RunningNorm(nn.Module):
    """Batch normalisation per feature with its running statistics, in training too: `weight * (z - mean) / std + bias`.

    One set of statistics serves all steps of a sequence. Training follows the batch with them but never normalises by
    the batch itself, so that what is trained is what inference computes (batch renormalisation, Ioffe 2017,
    arXiv:1702.03275, at its limit): a batch of short texts has other statistics than one of long ones, and a recurrence
    carries the difference on from step to step. As training goes on they follow ever more slowly, `momentum` falling
    with (1 - progress)^2, and the weights settle to them as they are.

    Without `bias` there is no additive parameter.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, features: int, gain: float = 1.0, *, bias: bool = False, momentum: float = 0.1, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((features,), gain))
        self.bias = nn.Parameter(torch.zeros(features)) if bias else None
        self.momentum, self.eps = momentum, eps
        self._first_momentum = momentum
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def set_progress(self, progress: float) -> None:
        """How far training is, from 0 to 1."""
        self.momentum = self._first_momentum * (1 - progress) ** 2

    def affine(self) -> tuple[Tensor, Tensor]:
        """(scale, offset) [features] such that the normalised z is `scale * z + offset`."""
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        # A copy: `follow` moves the mean in place before the backward pass reads it.
        offset = -scale * self.running_mean.clone()
        return scale, offset if self.bias is None else offset + self.bias

    def forward(self, z: Tensor) -> Tensor:
        """z [samples, features] normalised, in training by statistics that have followed it first."""
        if self.training and self.momentum:
            self.follow(z)
        scale, offset = self.affine()
        return torch.addcmul(offset, z.to(scale.dtype), scale)

    @torch.no_grad()
    def follow(self, z: Tensor) -> None:
        """Move the statistics towards those of z [samples, features]."""
        z = z.float()
        mean = z.mean(0)
        # In two passes, which a CPU vectorises; torch.var_mean along the first axis takes several times as long.
        variance = (z - mean).square_().mean(0)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)

    @torch.no_grad()
    def fit(self, z: Tensor, wanted: Tensor) -> Tensor:
        """Set statistics to those of z and the gain so that `weight * (z - mean) / std` is closest to the centred
        `wanted`, by least squares, both [samples, features]; returns the mean of `wanted`."""
        mean, target = z.mean(0), wanted.mean(0)
        centred = z - mean
        variance = centred.square().mean(0)
        covariance = (centred * (wanted - target)).mean(0)
        self.running_mean.copy_(mean)
        self.running_var.copy_(variance)
        self.weight.copy_(covariance * torch.rsqrt(variance + self.eps))
        return target

    def hold(self) -> None:
        """Have the statistics stay as they are in training: what is left is a gain and a bias of each feature."""
        self.momentum = self._first_momentum = 0.0
