"""DenseNet with torchvision's state-dict keys and shapes, so that its pretrained weights load."""

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.registry import register_model
from edgenet.models.resnet import Depths

BOTTLENECK = 4
"""Outputs of a layer's 1x1 convolution, in growth rates."""


class DenseLayer(nn.Module):
    """A 1x1 and a 3x3 convolution, each after normalisation and an activation; its output is joined to its input.

    x [N, C, H, W] -> [N, C + growth, H, W] (Huang et al. 2017, arXiv:1608.06993, section 3, DenseNet-B).
    """

    def __init__(self, inputs: int, growth: int, activation: type[nn.Module]) -> None:
        super().__init__()
        inner = BOTTLENECK * growth
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = activation()
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.relu2 = activation()
        self.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu1(self.norm1(x)))
        return torch.cat([x, self.conv2(self.relu2(self.norm2(y)))], 1)


class Transition(nn.Sequential):
    """Half as many channels, of half the height and width (section 3, DenseNet-C).

    All that later layers see of earlier ones passes through its 1x1 convolution, which therefore is an end, as are
    shortcut projections (Bethge et al. 2019, BinaryDenseNet, arXiv:1906.08637, section 4).
    """

    def __init__(self, inputs: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = activation()
        self.conv = nn.Conv2d(inputs, inputs // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)


class DenseNet(nn.Module):
    """Blocks of dense layers on images [N, in_channels, H, W], H and W at least 32.

    `depths` are layers a block, `growth` is what each adds, `width` the number of channels before the first. The order
    is normalisation, activation, convolution: for `xnor` sign() takes the place of ReLU within the blocks.
    """

    def __init__(
        self, activation: type[nn.Module], depths: Depths, growth: int = 32, width: int = 64, num_classes: int = 10,
        in_channels: int = 3, input_size: int = 32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(in_channels, width, 7, 2, 3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(width))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        for index, depth in enumerate(depths, start=1):
            block = nn.Sequential()
            for number in range(1, depth + 1):
                block.add_module(f"denselayer{number}", DenseLayer(width, growth, activation))
                width += growth
            self.features.add_module(f"denseblock{index}", block)
            if index < len(depths):
                self.features.add_module(f"transition{index}", Transition(width, nn.ReLU))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(F.relu(self.features(x)), 1)
        return self.classifier(torch.flatten(x, 1))

    @staticmethod
    def current_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state dict with today's keys: the files that torchvision offers say `norm.1` for `norm1`."""
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name): w for name, w in state.items()}


def _dense(scheme: str, depths: Depths, num_classes: int, **options: Any) -> DenseNet:
    return DenseNet(nn.Identity if scheme == "xnor" else nn.ReLU, depths, num_classes=num_classes, **options)


@register_model
def densenet121(
    num_classes: int = 10, scheme: str = "full", depths: Depths = (6, 12, 24, 16), **options: Any
) -> DenseNet:
    """DenseNet-121: torchvision's network for `full` and `bwn`; sign() in the place of ReLU for `xnor`."""
    return _dense(scheme, depths, num_classes, **options)


@register_model
def densenet169(
    num_classes: int = 10, scheme: str = "full", depths: Depths = (6, 12, 32, 32), **options: Any
) -> DenseNet:
    """DenseNet-169: torchvision's network for `full` and `bwn`; sign() in the place of ReLU for `xnor`."""
    return _dense(scheme, depths, num_classes, **options)


@register_model
def densenet201(
    num_classes: int = 10, scheme: str = "full", depths: Depths = (6, 12, 48, 32), **options: Any
) -> DenseNet:
    """DenseNet-201: torchvision's network for `full` and `bwn`; sign() in the place of ReLU for `xnor`."""
    return _dense(scheme, depths, num_classes, **options)


@register_model
def densenet161(
    num_classes: int = 10, scheme: str = "full", depths: Depths = (6, 12, 36, 24), growth: int = 48, width: int = 96,
    **options: Any,
) -> DenseNet:  # fmt: skip
    """DenseNet-161, the wide one: torchvision's network for `full` and `bwn`; sign() for ReLU for `xnor`."""
    return _dense(scheme, depths, num_classes, growth=growth, width=width, **options)
