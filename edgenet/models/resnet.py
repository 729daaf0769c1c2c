"""ResNet-18 and ResNet-50 with torchvision's state-dict keys and shapes, so that its pretrained weights load."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.registry import register_model

STAGE_WIDTHS = (64, 128, 256, 512)


class Block(nn.Module, ABC):
    """Convolutions with a shortcut; `width` is that of the inner ones, the block has `expansion * width` outputs."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = self.expansion * width
        self._add_convolutions(inputs, width, stride)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    @abstractmethod
    def _add_convolutions(self, inputs: int, width: int, stride: int) -> None:
        """Add the convolutions of the block and their normalisations."""


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

    The stride is that of the 3x3 convolution, as in torchvision.
    """

    expansion = 4

    def _add_convolutions(self, inputs: int, width: int, stride: int) -> None:
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, self.expansion * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.expansion * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class SignBottleneck(Bottleneck):
    """The same layers without ReLU: inside the block only signs are handed on, the shortcut keeps float values."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        return self.bn3(self.conv3(y)) + self.downsample(x)


class ResNet(nn.Module):
    """Residual network on images [N, in_channels, H, W], H and W at least 32 at best; `depths` are blocks a stage."""

    def __init__(
        self, block: type[Block], depths: tuple[int, ...], num_classes: int = 10, in_channels: int = 3,
        input_size: int = 32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for index, (width, depth) in enumerate(zip(STAGE_WIDTHS, depths, strict=True)):
            blocks = nn.Sequential(block(inputs, width, 2 if index else 1))
            inputs = block.expansion * width
            blocks.extend(block(inputs, width, 1) for _ in range(depth - 1))
            self.add_module(f"layer{index + 1}", blocks)
        self.fc = nn.Linear(inputs, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for index in range(len(STAGE_WIDTHS)):
            x = self.get_submodule(f"layer{index + 1}")(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@register_model
def resnet18(num_classes: int = 10, scheme: str = "full", in_channels: int = 3, input_size: int = 32) -> ResNet:
    """ResNet-18: torchvision's network for `full` and `bwn`, with Bi-Real blocks for `xnor`."""
    return ResNet(BiRealBlock if scheme == "xnor" else BasicBlock, (2, 2, 2, 2), num_classes, in_channels, input_size)


@register_model
def resnet50(num_classes: int = 10, scheme: str = "full", in_channels: int = 3, input_size: int = 32) -> ResNet:
    """ResNet-50: torchvision's network for `full` and `bwn`, without ReLU in the blocks for `xnor`."""
    return ResNet(
        SignBottleneck if scheme == "xnor" else Bottleneck, (3, 4, 6, 3), num_classes, in_channels, input_size
    )
