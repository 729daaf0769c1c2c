"""Normalisation by the statistics of a whole batch where several processes share it out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from edgenet.nn import PaddedBatchNorm2d
from edgenet.nn.running_norm import RunningNorm


@contextmanager
def shared_statistics(model: nn.Module) -> Iterator[None]:
    """Have all normalisations of a model in training see the batches of all processes, which then train it as one.

    `torch.nn.SyncBatchNorm` does this on GPUs, and not for normalisations of one's own.
    """
    changed: list[tuple[nn.Module, str]] = []
    for module in model.modules():
        shared: Callable[[Tensor], Tensor | None]
        if isinstance(module, RunningNorm):
            method, shared = "follow", partial(_follow, module)
        elif isinstance(module, _BatchNorm):
            method = "normalise" if isinstance(module, PaddedBatchNorm2d) else "forward"
            shared = partial(_normalise, module, getattr(module, method))
        else:
            continue
        setattr(module, method, shared)
        changed.append((module, method))
    try:
        yield
    finally:
        for module, method in changed:
            delattr(module, method)


class _SharedSum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _sum(values.clone())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _sum(grad.clone())


def _normalise(norm: _BatchNorm, alone: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if not norm.training:
        return alone(x)
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    values = x.float()
    count = _count(values)
    mean = _SharedSum.apply(values.sum(axes)) / count
    centred = values - mean.view(shape)
    variance = _SharedSum.apply(centred.square().sum(axes)) / count
    if norm.track_running_stats and norm.running_mean is not None and norm.running_var is not None:
        assert norm.num_batches_tracked is not None
        with torch.no_grad():
            norm.num_batches_tracked += 1
            momentum = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
            norm.running_mean.lerp_(mean.detach(), momentum)
            norm.running_var.lerp_(variance.detach() * count / (count - 1), momentum)
    y = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        y = y * norm.weight.view(shape) + norm.bias.view(shape)
    return y.to(x.dtype)


@torch.no_grad()
def _follow(norm: RunningNorm, z: Tensor) -> None:
    z = z.float()
    count = _count(z)
    mean = _sum(z.sum(0)) / count
    variance = _sum((z - mean).square().sum(0)) / count
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance, norm.momentum)


def _count(values: Tensor) -> Tensor:
    """How many values a feature, axis 1, has in all processes."""
    return _sum(values.new_tensor(values.numel() / values.shape[1]))


def _sum(values: Tensor) -> Tensor:
    distributed.all_reduce(values)
    return values
