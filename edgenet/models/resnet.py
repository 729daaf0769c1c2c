"""ResNet-18 to 152 with torchvision's state-dict keys and shapes, so that its pretrained weights load."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.layers import initialise
from edgenet.models.registry import register_model

Shortcut = Callable[[int, int, int], nn.Module]
"""Makes the shortcut of a block that changes the shape, from its inputs, outputs and stride."""


def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A 1x1 convolution and its normalisation (He et al. 2016, arXiv:1512.03385, option B)."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def conv3x3(channels: int, stride: int, groups: int = 1) -> nn.Module:
    """The 3x3 convolution of a bottleneck."""
    return nn.Conv2d(channels, channels, 3, stride, 1, groups=groups, bias=False)


class Block(nn.Module, ABC):
    """Convolutions with a shortcut; `width` is that of the inner ones, the block has `expansion * width` outputs."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, width: int, stride: int, shortcut: Shortcut = projection, **options: Any) -> None:
        super().__init__()
        outputs = self.expansion * width
        self._add_convolutions(inputs, width, stride, **options)
        changes = stride != 1 or inputs != outputs
        self.downsample = shortcut(inputs, outputs, stride) if changes else nn.Identity()

    @abstractmethod
    def _add_convolutions(self, *shape: Any, **options: Any) -> None:
        """Add the convolutions of the block and their normalisations, from inputs, width, stride and own options."""


class BasicBlock(Block):
    """Two 3x3 convolutions and one shortcut over both (He et al. 2016, arXiv:1512.03385, figure 2)."""

    def _add_convolutions(self, inputs: int, width: int, stride: int) -> None:
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class BiRealBlock(BasicBlock):
    """The same layers, a shortcut over each convolution and no ReLU (Liu et al. 2018, Bi-Real Net, arXiv:1808.00278).

    The float values pass every sign() by on the shortcut, and sign() sees inputs of both signs.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)) + self.downsample(x)
        return self.bn2(self.conv2(x)) + x


class Bottleneck(Block):
    """A 1x1 convolution to `width`, a 3x3 one and a 1x1 one to four times as many (He et al. 2016, figure 5).

    The stride is that of the 3x3 convolution, as in torchvision. `widening` multiplies the inner width alone and
    `spatial(channels, stride)` makes another layer in the place of the 3x3 convolution.
    """

    expansion = 4

    def _add_convolutions(
        self, inputs: int, width: int, stride: int, widening: int = 1,
        spatial: Callable[[int, int], nn.Module] = conv3x3,
    ) -> None:  # fmt: skip
        inner, outputs = width * widening, self.expansion * width
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = spatial(inner, stride)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class SignBottleneck(Bottleneck):
    """The same layers without ReLU: inside the block only signs are handed on, the shortcut keeps float values."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        return self.bn3(self.conv3(y)) + self.downsample(x)


def add_stages(
    model: nn.Module, block: type[Block], depths: tuple[int, ...], inputs: int, width: int, **options: Any
) -> int:
    """Add `layer1`, `layer2`, ... of `depths` blocks, each twice as wide as the last and but for the first of half its
    height and width; returns the number of outputs. `options` are the blocks'."""
    for index, depth in enumerate(depths):
        blocks = nn.Sequential(block(inputs, width, 2 if index else 1, **options))
        inputs = block.expansion * width
        blocks.extend(block(inputs, width, 1, **options) for _ in range(depth - 1))
        model.add_module(f"layer{index + 1}", blocks)
        width *= 2
    return inputs


class ResNet(nn.Module):
    """Residual network on images [N, in_channels, H, W], H and W at least 32 at best.

    `depths` are blocks a stage, `width` is that of the first stage and of the layer before it, `block_options` are what
    the block takes besides its shape.
    """

    def __init__(
        self, block: type[Block], depths: tuple[int, ...], num_classes: int = 10, in_channels: int = 3,
        input_size: int = 32, width: int = 64, **block_options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.stages = len(depths)
        self.conv1 = nn.Conv2d(in_channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        outputs = add_stages(self, block, depths, width, width, **block_options)
        self.fc = nn.Linear(outputs, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for index in range(self.stages):
            x = self.get_submodule(f"layer{index + 1}")(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def basic_block(scheme: str) -> type[Block]:
    """The block of two 3x3 convolutions that suits a scheme."""
    return BiRealBlock if scheme == "xnor" else BasicBlock


def bottleneck(scheme: str) -> type[Block]:
    """The block of three convolutions that suits a scheme."""
    return SignBottleneck if scheme == "xnor" else Bottleneck


Depths = tuple[int, ...]
"""Blocks a stage, one number a stage."""


@register_model
def resnet18(num_classes: int = 10, scheme: str = "full", depths: Depths = (2, 2, 2, 2), **options: Any) -> ResNet:
    """ResNet-18: torchvision's network for `full` and `bwn`, with Bi-Real blocks for `xnor`."""
    return ResNet(basic_block(scheme), depths, num_classes, **options)


@register_model
def resnet34(num_classes: int = 10, scheme: str = "full", depths: Depths = (3, 4, 6, 3), **options: Any) -> ResNet:
    """ResNet-34: torchvision's network for `full` and `bwn`, with Bi-Real blocks for `xnor`."""
    return ResNet(basic_block(scheme), depths, num_classes, **options)


@register_model
def resnet50(num_classes: int = 10, scheme: str = "full", depths: Depths = (3, 4, 6, 3), **options: Any) -> ResNet:
    """ResNet-50: torchvision's network for `full` and `bwn`, without ReLU in the blocks for `xnor`."""
    return ResNet(bottleneck(scheme), depths, num_classes, **options)


@register_model
def resnet101(num_classes: int = 10, scheme: str = "full", depths: Depths = (3, 4, 23, 3), **options: Any) -> ResNet:
    """ResNet-101: torchvision's network for `full` and `bwn`, without ReLU in the blocks for `xnor`."""
    return ResNet(bottleneck(scheme), depths, num_classes, **options)


@register_model
def resnet152(num_classes: int = 10, scheme: str = "full", depths: Depths = (3, 8, 36, 3), **options: Any) -> ResNet:
    """ResNet-152: torchvision's network for `full` and `bwn`, without ReLU in the blocks for `xnor`."""
    return ResNet(bottleneck(scheme), depths, num_classes, **options)
