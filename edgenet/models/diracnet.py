"""DiracNet: a network as deep as residual ones whose skip connections lie inside the convolutions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.registry import register_model
from edgenet.nn import DiracConv2d


class DiracLayer(nn.Module):
    """A Dirac convolution, batch normalisation and an activation."""

    def __init__(self, in_channels: int, out_channels: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.dirac = DiracConv2d(in_channels, out_channels)
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.dirac(x)))


class DiracNet(nn.Module):
    """Groups of `depth` Dirac convolutions, twice as wide in each group and pooled before it.

    Zagoruyko and Komodakis 2017, DiracNets, arXiv:1706.00388, table 1, on images [N, in_channels, H, W].
    """

    def __init__(
        self, activation: type[nn.Module], num_classes: int, in_channels: int, input_size: int, width: int, depth: int,
        groups: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.stem = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.activation = activation()
        self.groups = nn.Sequential()
        inputs = width
        for group in range(groups):
            outputs = width * 2**group
            layers = [DiracLayer(outputs if index else inputs, outputs, activation) for index in range(depth)]
            self.groups.append(nn.Sequential(*layers))
            inputs = outputs
        self.fc = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.norm(F.max_pool2d(self.stem(x), 2)))
        for index, group in enumerate(self.groups):
            x = group(F.avg_pool2d(x, 2) if index else x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@register_model
def diracnet(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 1, input_size: int = 32, width: int = 32,
    depth: int = 4, groups: int = 3,
) -> DiracNet:  # fmt: skip
    """DiracNet; for `xnor` it has no ReLU, and the skip connections hand on the float values."""
    activation = nn.Identity if scheme == "xnor" else nn.ReLU
    return DiracNet(activation, num_classes, in_channels, input_size, width, depth, groups)
