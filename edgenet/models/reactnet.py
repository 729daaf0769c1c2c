"""ReActNet-A, a network made to be binary: MobileNet without depthwise convolutions, a shortcut over every one."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.layers import initialise
from edgenet.models.registry import register_model

BLOCKS = ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *(((16, 1),) * 5), (32, 2), (32, 1))
"""Outputs of each block, in widths of the first layer, and the stride of its 3x3 convolution."""


class RPReLU(nn.Module):
    """`PReLU(x - shift) + offset`, each with parameters a channel (Liu et al. 2020, arXiv:2003.03488, eq. 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.prelu = nn.PReLU(channels)
        self.offset = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.prelu(x - self.shift) + self.offset


class ShortcutConvolution(nn.Module):
    """One or two convolutions, each with the input added, their outputs one after another, and RPReLU.

    x [N, channels, H, W] -> [N, copies * channels, H / stride, W / stride]; with a stride, 2x2 averages are added
    (Liu et al. 2020, figure 3). sign() and its learned threshold (RSign, eq. 1) are the binary convolution's.
    """

    def __init__(self, channels: int, size: int, stride: int = 1, copies: int = 1) -> None:
        super().__init__()
        self.shortcut = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, channels, size, stride, size // 2, bias=False) for _ in range(copies)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(copies))
        self.activation = RPReLU(copies * channels)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.shortcut(x)
        outputs = [norm(layer(x)) + shortcut for layer, norm in zip(self.convolutions, self.norms, strict=True)]
        return self.activation(outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1))


class ReActNet(nn.Module):
    """A 3x3 convolution and 13 blocks of a 3x3 and a 1x1 one, on images [N, in_channels, H, W], H and W multiples of
    32; `width` is that of the first layer, `blocks` are as `BLOCKS`."""

    def __init__(
        self, num_classes: int = 10, in_channels: int = 3, input_size: int = 32, width: int = 32,
        blocks: tuple[tuple[int, int], ...] = BLOCKS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width))
        self.blocks = nn.Sequential()
        inputs = width
        for factor, stride in blocks:
            outputs = factor * width
            self.blocks.append(
                nn.Sequential(
                    ShortcutConvolution(inputs, 3, stride), ShortcutConvolution(inputs, 1, copies=outputs // inputs)
                )
            )
            inputs = outputs
        self.fc = nn.Linear(inputs, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1)
        return self.fc(torch.flatten(x, 1))


@register_model
def reactnet_a(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 3, input_size: int = 32, width: int = 32,
    blocks: tuple[tuple[int, int], ...] = BLOCKS,
) -> ReActNet:  # fmt: skip
    """ReActNet-A: one topology for all schemes, made for `xnor`."""
    return ReActNet(num_classes, in_channels, input_size, width, blocks)
