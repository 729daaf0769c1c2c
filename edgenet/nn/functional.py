"""sign() with a gradient, the scaled binary weight made of it, and 8-bit quantisation."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from edgenet.nn.estimators import Estimator, get_estimator

INT8_LIMIT = 127
FLOAT_SUM_LIMIT = 2**24
"""Whole numbers up to here, and so all sums of them that stay below, are exact as float32."""
_SMALLEST_MAXIMUM = 1e-30


def sign(x: Tensor, estimator: str | Estimator = "ste", threshold: Tensor | None = None) -> Tensor:
    """+1 where `x >= threshold` (0 where there is none), else -1; sign(0) = sign(-0.0) = +1, sign(NaN) = -1.

    `threshold` must broadcast to x. The gradient of x is the estimator's at `x - threshold`; that of the threshold is
    its negative, summed over what the threshold was broadcast along (ReActNet's RSign, arXiv:2003.03488, eq. 1).
    """
    return _Sign.apply(x, threshold, get_estimator(estimator), False)


def stochastic_sign(x: Tensor, estimator: str | Estimator = "ste", threshold: Tensor | None = None) -> Tensor:
    """+1 with probability `clip((x - threshold + 1) / 2, 0, 1)`, else -1, drawn anew each time.

    Gradients as those of `sign`, which is what inference computes. Source: Hubara et al. 2016, arXiv:1602.02830, eq. 2
    and 3.
    """
    return _Sign.apply(x, threshold, get_estimator(estimator), True)


def scaled_sign(weight: Tensor, scale: Tensor | None = None, estimator: str | Estimator = "ste") -> Tensor:
    """`scale[o] * sign(weight[o, ...])`, the binary weight [O, ...] of a layer in training; scale [O].

    Without a scale it is the mean magnitude of the output's weights, which makes the product the closest such one to
    the weight (Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279, eq. 6). The gradient is that of the whole product:
    the paper's `dC/dW = dC/dW~ (1/n + d sign(W)/dW alpha)`, its first term summed over the n weights of the output, as
    the chain rule has it.
    """
    estimator = get_estimator(estimator)
    if scale is None:
        return _MeanScaledSign.apply(weight, estimator)
    return _ScaledSign.apply(weight, _per_output(scale, weight), estimator)


def quantize_int8(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """(q, step): `q = round(x * (127 / m))`, half to even, and `step = m / 127`, where m is max |x| over `axes`.

    q holds whole numbers from -127 to 127 as floats; m and step keep the axes, at size 1. The gradient passes the
    rounding as it comes and takes m for a constant, so that of `q * step` is x's own.
    """
    m = x.detach().abs().amax(axes, keepdim=True).clamp_min_(_SMALLEST_MAXIMUM)
    # A number on the left of `/` would be multiplied by the reciprocal, which rounds twice.
    limit = torch.full_like(m, INT8_LIMIT)
    return _Round.apply(x * (limit / m)), m / limit


def mean_magnitude(weight: Tensor) -> Tensor:
    """mean |weight| of each output [O]."""
    return weight.abs().mean(tuple(range(1, weight.dim())))


def _per_output(scale: Tensor, weight: Tensor) -> Tensor:
    return scale.view((-1,) + (1,) * (weight.dim() - 1))


def _plus_minus(x: Tensor, threshold: Tensor | float, scale: Tensor | float = 1.0) -> Tensor:
    """`scale` where `x >= threshold`, else `-scale`. Written to be vectorised, which torch.where is not on a CPU."""
    met = torch.empty_like(x)
    torch.ge(x, threshold, out=met)
    return met.mul_(2 * scale).sub_(scale)


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor | None, estimator: Estimator, drawn: bool) -> Tensor:
        ctx.save_for_backward(x, threshold)
        ctx.estimator = estimator
        if drawn:
            # Uniform from -1 to 1, below x with the probability that is asked for; what is drawn serves as threshold.
            return _plus_minus(x, torch.rand_like(x).mul_(2).sub_(1) + (0.0 if threshold is None else threshold))
        return _plus_minus(x, 0.0 if threshold is None else threshold)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        x, threshold = ctx.saved_tensors
        grad_x = ctx.estimator.backward(grad, x if threshold is None else x - threshold)
        if threshold is None or not ctx.needs_input_grad[1]:
            return grad_x, None, None, None
        return grad_x, -grad_x.sum_to_size(threshold.shape), None, None


class _ScaledSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor, estimator: Estimator) -> Tensor:
        ctx.save_for_backward(weight, scale)
        ctx.estimator = estimator
        return _plus_minus(weight, 0.0, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, scale = ctx.saved_tensors
        grad_scale = _plus_minus(weight, 0.0).mul_(grad).sum_to_size(scale.shape)
        return ctx.estimator.backward(grad * scale, weight), grad_scale, None


class _MeanScaledSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, estimator: Estimator) -> Tensor:
        scale = _per_output(mean_magnitude(weight), weight)
        result = _plus_minus(weight, 0.0, scale)
        ctx.save_for_backward(weight, scale, result)
        ctx.estimator = estimator
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        weight, scale, result = ctx.saved_tensors
        # result is scale * sign: sum(grad * sign) / n * sign, without another pass to make the signs.
        through_scale = (grad * result).sum_to_size(scale.shape).div_(scale.square().clamp_min_(1e-30))
        grad_weight = ctx.estimator.backward(grad * scale, weight)
        return grad_weight.addcmul_(result, through_scale.div_(weight[0].numel())), None
