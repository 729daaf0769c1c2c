"""ResNet-20 to 110, the narrow residual networks for CIFAR-sized images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.layers import initialise
from edgenet.models.registry import register_model
from edgenet.models.resnet import Block, add_stages, basic_block

STAGES = 3


class PaddedShortcut(nn.Module):
    """Every `stride`-th place of x and further channels of zeros, half before and half behind: no weights.

    x [N, inputs, H, W] -> [N, outputs, H / stride, W / stride] (He et al. 2016, arXiv:1512.03385, option A).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, before = stride, (outputs - inputs) // 2
        self.padding = (before, outputs - inputs - before)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.padding))


class CifarResNet(nn.Module):
    """A 3x3 convolution and three stages of blocks on images [N, in_channels, H, W] (He et al. 2016, section 4.2).

    6 `depth` + 2 layers; `width` is that of the first stage.
    """

    def __init__(
        self, block: type[Block], depth: int, num_classes: int = 10, in_channels: int = 3, input_size: int = 32,
        width: int = 16,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.conv1 = nn.Conv2d(in_channels, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        outputs = add_stages(self, block, (depth,) * STAGES, width, width, shortcut=PaddedShortcut)
        self.fc = nn.Linear(outputs, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for index in range(STAGES):
            x = self.get_submodule(f"layer{index + 1}")(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@register_model
def resnet20(num_classes: int = 10, scheme: str = "full", depth: int = 3, **options: int) -> CifarResNet:
    """ResNet-20 for CIFAR, with Bi-Real blocks for `xnor`."""
    return CifarResNet(basic_block(scheme), depth, num_classes, **options)


@register_model
def resnet32(num_classes: int = 10, scheme: str = "full", depth: int = 5, **options: int) -> CifarResNet:
    """ResNet-32 for CIFAR, with Bi-Real blocks for `xnor`."""
    return CifarResNet(basic_block(scheme), depth, num_classes, **options)


@register_model
def resnet44(num_classes: int = 10, scheme: str = "full", depth: int = 7, **options: int) -> CifarResNet:
    """ResNet-44 for CIFAR, with Bi-Real blocks for `xnor`."""
    return CifarResNet(basic_block(scheme), depth, num_classes, **options)


@register_model
def resnet56(num_classes: int = 10, scheme: str = "full", depth: int = 9, **options: int) -> CifarResNet:
    """ResNet-56 for CIFAR, with Bi-Real blocks for `xnor`."""
    return CifarResNet(basic_block(scheme), depth, num_classes, **options)


@register_model
def resnet110(num_classes: int = 10, scheme: str = "full", depth: int = 18, **options: int) -> CifarResNet:
    """ResNet-110 for CIFAR, with Bi-Real blocks for `xnor`."""
    return CifarResNet(basic_block(scheme), depth, num_classes, **options)
