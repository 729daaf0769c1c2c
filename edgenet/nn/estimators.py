"""Gradients that stand in for the derivative of sign(), which is zero almost everywhere.

An estimator is a small class with a name and `gradient(x)`, the factor that the incoming gradient is multiplied with.
To add one, subclass `Estimator` and pass an object of it wherever an estimator is asked for.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.nn.running_norm import RunningNorm


class Estimator(ABC):
    """Base of all estimators. q(x) = +1 where x >= 0, else -1; dq/dx := gradient(x)."""

    name: ClassVar[str] = ""

    @abstractmethod
    def gradient(self, x: Tensor) -> Tensor:
        """The stand-in for dq/dx at x; same shape as x."""

    def backward(self, grad: Tensor, x: Tensor) -> Tensor:
        """`grad * gradient(x)`. Override only to be faster."""
        return self.gradient(x).mul_(grad)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Identity(Estimator):
    """Plain straight-through: dq/dx = 1 everywhere (Hinton 2012; Bengio et al. 2013, arXiv:1308.3432)."""

    name = "identity"

    def gradient(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)

    def backward(self, grad: Tensor, x: Tensor) -> Tensor:
        return grad


class StraightThrough(Estimator):
    """Clipped straight-through: dq/dx = 1 where |x| <= 1, else 0 (Hubara et al. 2016, arXiv:1602.02830, eq. 4).

    |x| = 1 is inside: a latent weight that was clipped to the bound can still come back.
    """

    name = "ste"
    # hardtanh's own gradient leaves its bounds out; the next float above 1 takes them in.
    _BOUND = 1.0 + 2.0**-23

    def gradient(self, x: Tensor) -> Tensor:
        return (x.abs() <= 1).to(x.dtype)

    def backward(self, grad: Tensor, x: Tensor) -> Tensor:
        if x.dtype != torch.float32:
            return super().backward(grad, x)
        return torch.ops.aten.hardtanh_backward(grad, x, -self._BOUND, self._BOUND)


class ApproxSign(Estimator):
    """Triangle: dq/dx = 2 - 2|x| where |x| < 1, else 0 (Liu et al. 2018, Bi-Real Net, arXiv:1808.00278).

    The derivative of a piecewise quadratic that is closer to sign() than the clipped identity is.
    """

    name = "approx_sign"

    def gradient(self, x: Tensor) -> Tensor:
        return x.abs().mul_(-2).add_(2).clamp_min_(0)


class SwishSign(Estimator):
    """Derivative of SignSwish: dq/dx = b (2 - b x tanh(b x / 2)) / (1 + cosh(b x)), with b = 5.

    SS(x) = 2 s(b x) (1 + b x (1 - s(b x))) - 1, s the logistic function (Darabi et al. 2018, BNN+, arXiv:1812.11800).
    It is slightly negative far from 0.
    """

    name = "swish_sign"

    def __init__(self, beta: float = 5.0) -> None:
        self.beta = beta

    def gradient(self, x: Tensor) -> Tensor:
        # Beyond 50 the gradient is 0 in float32; the bound keeps cosh finite.
        scaled = (x * self.beta).clamp_(-50, 50)
        return (2 - scaled * torch.tanh(scaled / 2)).mul_(self.beta).div_(1 + torch.cosh(scaled))


class ErrorDecay(Estimator):
    """Error decay: dq/dx = k t (1 - tanh(t x)^2), k = max(1/t, 1), t = 10^(-1 + 2 progress).

    From nearly the identity at progress 0 to nearly sign() at progress 1, which training sets through `set_progress`
    (Qin et al. 2020, IR-Net, arXiv:1909.10788, with T_min = 0.1 and T_max = 10).
    """

    name = "error_decay"

    def __init__(self, progress: float = 0.0) -> None:
        self.progress = progress

    def gradient(self, x: Tensor) -> Tensor:
        steepness = math.pow(10.0, -1.0 + 2.0 * self.progress)
        height = max(1.0 / steepness, 1.0) * steepness
        return torch.tanh(x * steepness).square_().neg_().add_(1).mul_(height)


_ESTIMATORS: dict[str, type[Estimator]] = {
    estimator.name: estimator for estimator in (StraightThrough, ApproxSign, SwishSign, ErrorDecay, Identity)
}


def list_estimators() -> list[str]:
    """Names that `get_estimator` knows."""
    return list(_ESTIMATORS)


def get_estimator(estimator: str | Estimator) -> Estimator:
    """The estimator of that name (a new object), or the object itself.

    Raises EdgenetError for a name that is not known.
    """
    if isinstance(estimator, Estimator):
        return estimator
    if estimator not in _ESTIMATORS:
        raise EdgenetError(
            f"unknown estimator {estimator!r}: use one of {', '.join(_ESTIMATORS)} or an object of class Estimator"
        )
    return _ESTIMATORS[estimator]()


def set_progress(model: nn.Module, progress: float) -> None:
    """Tell every `ErrorDecay` and every `RunningNorm` in the model how far training is, from 0 to 1."""
    for module in model.modules():
        if isinstance(module, RunningNorm):
            module.set_progress(progress)
        for estimator in (getattr(module, "estimator", None), getattr(module, "weight_estimator", None)):
            if isinstance(estimator, ErrorDecay):
                estimator.progress = progress
