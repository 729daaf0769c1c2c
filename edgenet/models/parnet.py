"""ParNet: wide and parallel instead of deep."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.registry import register_model


class ParNetBlock(nn.Module):
    """`activation(norm(conv3x3(x)) + norm(conv1x1(x)) + e(norm(x)))`, RepVGG-SSE: no layer behind another.

    e is skip-squeeze-and-excitation, `e(x) = x * sigmoid(W mean(x) + b)`, the mean over all places: it widens the
    receptive field without depth. Goyal et al. 2021, Non-deep networks, arXiv:2110.07641, section 3.1.
    """

    def __init__(self, width: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv_norm = nn.BatchNorm2d(width)
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.pointwise_norm = nn.BatchNorm2d(width)
        self.norm = nn.BatchNorm2d(width)
        self.excitation = nn.Conv2d(width, width, 1)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        skip = self.norm(x)
        skip = skip * torch.sigmoid(self.excitation(F.adaptive_avg_pool2d(skip, 1)))
        return self.activation(self.conv_norm(self.conv(x)) + self.pointwise_norm(self.pointwise(x)) + skip)


class Downsampling(nn.Module):
    """Half the size: a strided 3x3 convolution and a pooled 1x1 one, their sum scaled by squeeze-and-excitation.

    With `groups` 2 it is the fusion block, which takes two streams whose channels alternate (section 3.1, figure A1).
    """

    def __init__(self, inputs: int, outputs: int, activation: type[nn.Module], groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 2, 1, groups=groups, bias=False)
        self.conv_norm = nn.BatchNorm2d(outputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, groups=groups, bias=False)
        self.pointwise_norm = nn.BatchNorm2d(outputs)
        self.excitation = nn.Conv2d(inputs, outputs, 1, groups=groups)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_norm(self.conv(x)) + self.pointwise_norm(self.pointwise(F.avg_pool2d(x, 2)))
        return self.activation(y * torch.sigmoid(self.excitation(F.adaptive_avg_pool2d(x, 1))))


class ParNet(nn.Module):
    """Three streams at three sizes, `depths` blocks each, that are fused from the largest to the smallest.

    Images are [N, in_channels, H, W], H and W at least 32. `widths` are those of the stem, the three streams and the
    end; the paper's ParNet-S has (64, 96, 192, 384, 1280) and depths (4, 5, 5). Its first downsampling block is a plain
    strided convolution here: the first layer, which binary networks keep in higher precision.
    """

    def __init__(
        self, activation: type[nn.Module], num_classes: int, in_channels: int, input_size: int,
        widths: tuple[int, int, int, int, int], depths: tuple[int, int, int],
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        stem, first, second, third, last = widths

        def stream(width: int, depth: int) -> nn.Sequential:
            return nn.Sequential(*(ParNetBlock(width, activation) for _ in range(depth)))

        self.stem = nn.Conv2d(in_channels, stem, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(stem)
        self.activation = activation()
        self.down1 = Downsampling(stem, first, activation)
        self.down2 = Downsampling(first, second, activation)
        self.down3 = Downsampling(second, third, activation)
        self.stream1 = stream(first, depths[0])
        self.stream2 = stream(second, depths[1])
        self.stream3 = stream(third, depths[2])
        self.widen = Downsampling(first, second, activation)
        self.fuse2 = Downsampling(2 * second, third, activation, groups=2)
        self.fuse3 = Downsampling(2 * third, last, activation, groups=2)
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(self.activation(self.norm(self.stem(x))))
        second = self.down2(first)
        third = self.down3(second)
        fused = alternate(self.widen(self.stream1(first)), self.stream2(second))
        fused = alternate(self.fuse2(fused), self.stream3(third))
        x = self.fuse3(fused)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def alternate(a: Tensor, b: Tensor) -> Tensor:
    """Two images [N, C, H, W] as one [N, 2 C, H, W], a channel of one after a channel of the other."""
    return torch.stack([a, b], 2).flatten(1, 2)


@register_model
def parnet(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 1, input_size: int = 32,
    widths: tuple[int, int, int, int, int] = (32, 48, 64, 96, 192), depths: tuple[int, int, int] = (2, 2, 2),
) -> ParNet:  # fmt: skip
    """ParNet, narrow by default; for `xnor` without SiLU: what passes the signs by is the excited skip."""
    activation = nn.Identity if scheme == "xnor" else nn.SiLU
    return ParNet(activation, num_classes, in_channels, input_size, widths, depths)
