"""sign() with a gradient, and the scaled binary weight made of it."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from edgenet.nn.estimators import Estimator, get_estimator


def sign(x: Tensor, estimator: str | Estimator = "ste", threshold: Tensor | None = None) -> Tensor:
    """+1 where `x >= threshold` (0 where there is none), else -1; sign(0) = sign(-0.0) = +1, sign(NaN) = -1.

    `threshold` must broadcast to x. The gradient of x is the estimator's at `x - threshold`; that of the threshold is
    its negative, summed over what the threshold was broadcast along (ReActNet's RSign, arXiv:2003.03488, eq. 1).
    """
    return _Sign.apply(x, threshold, get_estimator(estimator))


def scaled_sign(weight: Tensor, scale: Tensor, estimator: str | Estimator = "ste") -> Tensor:
    """`scale[o] * sign(weight[o, ...])`, the binary weight [O, ...] of a layer in training; scale [O].

    With `scale = |weight|.mean()` per output it is the closest such product to the weight (Rastegari et al. 2016,
    XNOR-Net, arXiv:1603.05279, eq. 6). Autograd then gives the gradient of the whole product: the paper's
    `dC/dW = dC/dW~ (1/n + d sign(W)/dW alpha)`, its first term summed over the n weights of the output, as the chain
    rule has it.
    """
    shape = (-1,) + (1,) * (weight.dim() - 1)
    return _ScaledSign.apply(weight, scale.view(shape), get_estimator(estimator))


def _select(condition: Tensor, positive: Tensor) -> Tensor:
    return torch.where(condition, positive, -positive)


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor | None, estimator: Estimator) -> Tensor:
        ctx.save_for_backward(x, threshold)
        ctx.estimator = estimator
        return _select(x >= (0 if threshold is None else threshold), x.new_ones(()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        x, threshold = ctx.saved_tensors
        grad_x = ctx.estimator.backward(grad, x if threshold is None else x - threshold)
        if threshold is None or not ctx.needs_input_grad[1]:
            return grad_x, None, None
        return grad_x, -grad_x.sum_to_size(threshold.shape), None


class _ScaledSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor, estimator: Estimator) -> Tensor:
        ctx.save_for_backward(weight, scale)
        ctx.estimator = estimator
        return _select(weight >= 0, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, scale = ctx.saved_tensors
        grad_scale = _select(weight >= 0, grad).sum_to_size(scale.shape)
        return ctx.estimator.backward(grad * scale, weight), grad_scale, None
