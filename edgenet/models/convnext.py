"""ConvNeXt-T with torchvision's state-dict keys and shapes, so that its pretrained weights load."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.registry import register_model

DEPTHS = (3, 3, 9, 3)
EPSILON = 1e-6


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of x [N, C, H, W], at every place by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Permute(nn.Module):
    """x with its axes in another order."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.axes)


class ConvNeXtBlock(nn.Module):
    """`x + layer_scale * linear(activation(linear(norm(depthwise(x)))))`, x [N, C, H, W] (Liu et al. 2022,
    arXiv:2201.03545, figure 4).

    In training the second term is left out of a sample with probability `drop` (Huang et al. 2016, stochastic depth,
    arXiv:1603.09382).
    """

    def __init__(self, channels: int, activation: type[nn.Module], drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), 1e-6))
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            Permute(0, 2, 3, 1),
            nn.LayerNorm(channels, eps=EPSILON),
            nn.Linear(channels, 4 * channels),
            activation(),
            nn.Linear(4 * channels, channels),
            Permute(0, 3, 1, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer_scale * self.block(x)
        if self.training and self.drop:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            y = y * kept / (1 - self.drop)
        return x + y


class Downsampling(nn.Sequential):
    """Normalisation and a 2x2 convolution of stride 2 to twice as many channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(ChannelNorm(channels), nn.Conv2d(channels, 2 * channels, 2, 2))


class ShortcutDownsampling(Downsampling):
    """The same with a shortcut, so that float values pass the sign() by: averages of 2x2, once for either half of the
    outputs (as in ReActNet, Liu et al. 2020, arXiv:2003.03488, figure 3)."""

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.avg_pool2d(x, 2)
        return super().forward(x) + torch.cat([shortcut, shortcut], 1)


class ConvNeXt(nn.Module):
    """Stages of blocks on images [N, in_channels, H, W], H and W multiples of 32.

    `depths` are blocks a stage, `width` is the channels of the first, `drop` the greatest probability of stochastic
    depth, that of the last block.
    """

    def __init__(
        self, activation: type[nn.Module], downsampling: type[Downsampling], num_classes: int = 10,
        in_channels: int = 3, input_size: int = 32, depths: tuple[int, ...] = DEPTHS, width: int = 96,
        drop: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.features = nn.Sequential(nn.Sequential(nn.Conv2d(in_channels, width, 4, 4), ChannelNorm(width)))
        drops = iter(torch.linspace(0, drop, sum(depths), device="cpu").tolist())
        for index, depth in enumerate(depths):
            if index:
                self.features.append(downsampling(width))
                width *= 2
            self.features.append(nn.Sequential(*(ConvNeXtBlock(width, activation, next(drops)) for _ in range(depth))))
        self.classifier = nn.Sequential(ChannelNorm(width), nn.Flatten(1), nn.Linear(width, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), 1))


@register_model
def convnext_tiny(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 3, input_size: int = 32,
    depths: tuple[int, ...] = DEPTHS, width: int = 96, drop: float = 0.1,
) -> ConvNeXt:  # fmt: skip
    """ConvNeXt-T: torchvision's network for `full` and `bwn`; sign() in the place of GELU and a shortcut over every
    convolution for `xnor`. The depthwise convolutions keep full precision."""
    xnor = scheme == "xnor"
    activation, downsampling = (nn.Identity, ShortcutDownsampling) if xnor else (nn.GELU, Downsampling)
    return ConvNeXt(activation, downsampling, num_classes, in_channels, input_size, depths, width, drop)
