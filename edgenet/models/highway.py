"""Highway networks, fully connected and convolutional."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.registry import register_model

TRANSFORM_BIAS = -2.0
"""Of the transform gate at first: most of x is carried on, so that deep networks train (section 2.2 of the paper)."""


class HighwayLayer(nn.Module):
    """`y = H(x) T(x) + x (1 - T(x))`, or `y = H(x) T(x) + x C(x)` with a carry gate C of its own.

    Srivastava et al. 2015, Highway Networks, arXiv:1505.00387, eq. 2 and 3. H, T and C are each a `weight` layer that
    keeps the shape of x, normalised by `norm` (the paper has biases alone; binary layers need the scale as well); the
    gates end in the logistic function, H in `activation`.
    """

    def __init__(self, width: int, convolutional: bool, activation: type[nn.Module], carry_gate: bool = False) -> None:
        super().__init__()
        self.transform = _normalised(width, convolutional)
        self.activation = activation()
        self.transform_gate = _normalised(width, convolutional, TRANSFORM_BIAS)
        self.carry_gate = _normalised(width, convolutional, -TRANSFORM_BIAS) if carry_gate else None

    def forward(self, x: Tensor) -> Tensor:
        transformed = self.activation(self.transform(x))
        gate = torch.sigmoid(self.transform_gate(x))
        carry = 1 - gate if self.carry_gate is None else torch.sigmoid(self.carry_gate(x))
        return transformed * gate + x * carry


def _normalised(width: int, convolutional: bool, bias: float = 0.0) -> nn.Sequential:
    layer: nn.Module = nn.Linear(width, width, bias=False)
    norm: nn.BatchNorm1d | nn.BatchNorm2d = nn.BatchNorm1d(width)
    if convolutional:
        layer, norm = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
    nn.init.constant_(norm.bias, bias)
    return nn.Sequential(layer, norm)


class HighwayMLP(nn.Module):
    """A linear layer to `width`, `depth` highway layers and a classifier, on images [N, in_channels, H, W]."""

    def __init__(
        self, activation: type[nn.Module], num_classes: int, in_channels: int, input_size: int, width: int, depth: int,
        carry_gate: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.stem = nn.Linear(in_channels * input_size**2, width, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.activation = activation()
        self.layers = nn.Sequential(*(HighwayLayer(width, False, activation, carry_gate) for _ in range(depth)))
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.norm(self.stem(torch.flatten(x, 1))))
        return self.fc(self.layers(x))


class HighwayCNN(nn.Module):
    """Stages of `depth` convolutional highway layers of one width, with pooling before each, and a classifier."""

    def __init__(
        self, activation: type[nn.Module], num_classes: int, in_channels: int, input_size: int, width: int, depth: int,
        stages: int, carry_gate: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.stem = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.activation = activation()
        self.stages = nn.Sequential(
            *(
                nn.Sequential(*(HighwayLayer(width, True, activation, carry_gate) for _ in range(depth)))
                for _ in range(stages)
            )
        )
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        # Pooled before it is normalised, so that what follows sees values of both signs.
        x = self.activation(self.norm(F.max_pool2d(x, 2)))
        for index, stage in enumerate(self.stages):
            x = stage(F.avg_pool2d(x, 2) if index else x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@register_model
def highway_mlp(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 1, input_size: int = 32, width: int = 128,
    depth: int = 10, carry_gate: bool = False,
) -> HighwayMLP:  # fmt: skip
    """Fully connected highway network; for `xnor` H has no ReLU, so that sign() sees values of both signs."""
    activation = nn.Identity if scheme == "xnor" else nn.ReLU
    return HighwayMLP(activation, num_classes, in_channels, input_size, width, depth, carry_gate)


@register_model
def highway_cnn(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 1, input_size: int = 32, width: int = 32,
    depth: int = 3, stages: int = 3, carry_gate: bool = False,
) -> HighwayCNN:  # fmt: skip
    """Convolutional highway network; for `xnor` H has no ReLU, so that sign() sees values of both signs."""
    activation = nn.Identity if scheme == "xnor" else nn.ReLU
    return HighwayCNN(activation, num_classes, in_channels, input_size, width, depth, stages, carry_gate)
