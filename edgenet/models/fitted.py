"""Networks that are fitted instead of trained: frozen features and a linear read-out in closed form."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.nn import BinaryLinear, calibrate

RIDGE = 3e-3


class RidgeRegression:
    """Least squares with a penalty on the weights, from sums that grow batch by batch, in float64.

    `fit()` minimises `mean |y - W h - b|^2 + ridge |W|^2` over W and b: with means and covariances over all samples,
    `W = (cov(h) + ridge I)^-1 cov(h, y)` and `b = mean(y) - W mean(h)` (Hoerl and Kennard 1970, Ridge regression).
    """

    def __init__(self, ridge: float) -> None:
        self.ridge = ridge
        self.count = 0
        self._products: Tensor | None = None  # of (h, y, 1) with itself, summed over samples
        self._features = 0

    def add(self, features: Tensor, targets: Tensor) -> None:
        """Samples h [N, F] and what they should give, y [N, O]."""
        ones = torch.ones(len(features), 1, dtype=torch.float64, device=features.device)
        row = torch.cat([features.double(), targets.double(), ones], 1)
        products = row.t() @ row
        self._products = products if self._products is None else self._products + products
        self.count += len(features)
        self._features = features.shape[1]

    def fit(self) -> tuple[Tensor, Tensor]:
        """(W [O, F], b [O]), float64. Raises EdgenetError where there are no samples."""
        covariance, cross, mean, target_mean = self._moments()
        penalty = self.ridge * torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
        weight = torch.linalg.solve(covariance + penalty, cross).t()
        return weight, target_mean - weight @ mean

    def fit_scale(self, signs: Tensor) -> tuple[Tensor, Tensor]:
        """(scale [O], b [O]) such that `scale * (signs @ h) + b` is nearest to y, for signs [O, F] given."""
        covariance, cross, mean, target_mean = self._moments()
        signs = signs.double()
        variance = torch.einsum("of,fg,og->o", signs, covariance, signs)
        scale = torch.einsum("of,fo->o", signs, cross) / variance.clamp_min(1e-30)
        return scale, target_mean - scale * (signs @ mean)

    def _moments(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if self._products is None:
            raise EdgenetError("a read-out is fitted to samples, and there are none: give at least one batch")
        average = self._products / self.count
        features, ones = slice(0, self._features), -1
        targets = slice(self._features, ones)
        mean, target_mean = average[features, ones], average[targets, ones]
        covariance = average[features, features] - torch.outer(mean, mean)
        return covariance, average[features, targets] - torch.outer(mean, target_mean), mean, target_mean


class FittedNetwork(nn.Module, ABC):
    """A network of which only the last layer, `fc`, learns anything, and that in closed form.

    Training calls `fit` once instead of following gradients; a network of your own does likewise if it is one of these.
    """

    fc: nn.Linear
    ridge: float = RIDGE

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """What the read-out sees [N, F] of inputs x."""

    @torch.no_grad()
    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> int:
        """Set `fc` by ridge regression on the classes, 1 for the right one and 0 for others; returns the samples seen.

        `batches` are pairs of inputs and classes [N]. The first one also sets thresholds and the statistics of batch
        normalisation (see `edgenet.nn.calibrate`). A read-out with 1-bit weights gets the signs of the float one, and
        the scaling factors and biases that are best with them. Raises EdgenetError where there are no batches.
        """
        regression = RidgeRegression(self.ridge)
        for inputs, classes in batches:
            if not regression.count:
                calibrate(self, inputs)
            self.eval()
            regression.add(self.features(inputs), F.one_hot(classes, self.fc.out_features))
        weight, bias = regression.fit()
        if isinstance(self.fc, BinaryLinear):
            signs = torch.where(weight >= 0, 1.0, -1.0)
            scale, bias = regression.fit_scale(signs)
            weight = signs * scale.unsqueeze(1)
        self.fc.weight.copy_(weight)
        assert self.fc.bias is not None
        self.fc.bias.copy_(bias)
        return regression.count
