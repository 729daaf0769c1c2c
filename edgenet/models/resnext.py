"""ResNeXt with torchvision's state-dict keys and shapes, and one whose paths have filters of several sizes."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from edgenet.models.registry import register_model
from edgenet.models.resnet import Depths, ResNet, bottleneck, conv3x3

PATHS = 32


class MixedConv2d(nn.Module):
    """Paths with filters of several sizes: x [N, channels, H, W] -> [N, channels, H / stride, W / stride].

    Each of the `sizes` has an equal share of the `paths`, which are convolutions of their own channels alone: the
    aggregated transformations of ResNeXt (Xie et al. 2017, arXiv:1611.05431, eq. 3) need not be alike, and filters of
    several sizes see details and their surroundings (Tan and Le 2019, MixConv, arXiv:1907.09595).
    """

    def __init__(self, channels: int, stride: int, paths: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        share, groups = channels // len(sizes), paths // len(sizes)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(share, share, size, stride, size // 2, groups=groups, bias=False) for size in sizes
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = x.chunk(len(self.convolutions), 1)
        return torch.cat([layer(part) for layer, part in zip(self.convolutions, parts, strict=True)], 1)


@register_model
def resnext50_32x4d(
    num_classes: int = 10, scheme: str = "full", depths: Depths = (3, 4, 6, 3), paths: int = PATHS, **options: Any
) -> ResNet:
    """ResNeXt-50, 32 paths of 4 channels: torchvision's network for `full` and `bwn`, without ReLU for `xnor`."""
    spatial = partial(conv3x3, groups=paths)
    return ResNet(bottleneck(scheme), depths, num_classes, widening=2, spatial=spatial, **options)


@register_model
def resnext101_32x8d(
    num_classes: int = 10, scheme: str = "full", depths: Depths = (3, 4, 23, 3), paths: int = PATHS, **options: Any
) -> ResNet:
    """ResNeXt-101, 32 paths of 8 channels: torchvision's network for `full` and `bwn`, without ReLU for `xnor`."""
    spatial = partial(conv3x3, groups=paths)
    return ResNet(bottleneck(scheme), depths, num_classes, widening=4, spatial=spatial, **options)


@register_model
def resnext50_mixed(
    num_classes: int = 10, scheme: str = "full", depths: Depths = (3, 4, 6, 3), paths: int = PATHS,
    sizes: tuple[int, ...] = (3, 5), **options: Any,
) -> ResNet:  # fmt: skip
    """ResNeXt-50 32x4d with half of its paths 3x3 and half 5x5; without ReLU in the blocks for `xnor`."""
    spatial = partial(MixedConv2d, paths=paths, sizes=sizes)
    return ResNet(bottleneck(scheme), depths, num_classes, widening=2, spatial=spatial, **options)
