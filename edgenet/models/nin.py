"""Network in Network for CIFAR-sized images: 1x1 convolutions between the larger ones, no linear layer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.layers import initialise
from edgenet.models.registry import register_model

BLOCKS = ((5, (192, 160, 96)), (5, (192, 192, 192)), (3, (192, 192)))
"""Kernel size of a block's first convolution, and the widths of all of its convolutions."""


class NIN(nn.Module):
    """Three blocks of one larger and several 1x1 convolutions on images [N, in_channels, H, W], H and W at least 8.

    After Lin et al. 2014 (Network In Network, arXiv:1312.4400, section 3), with batch normalisation. Pooling follows
    the convolution at once, so that for `xnor` sign() sees normalised values; the last convolution, which gives a map
    of each class, always follows a ReLU. All widths but the classes' are divided by `divisor`.
    """

    def __init__(
        self, activation: type[nn.Module], num_classes: int = 10, in_channels: int = 3, input_size: int = 32,
        divisor: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.features = nn.Sequential()
        inputs = in_channels
        poolings = (nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1), nn.Identity())
        for (size, widths), pooling in zip(BLOCKS, poolings, strict=True):
            for index, width in enumerate(widths):
                outputs, kernel, closes = width // divisor, 1 if index else size, index + 1 == len(widths)
                self.features.extend([
                    nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
                    pooling if closes else nn.Identity(),
                    nn.BatchNorm2d(outputs),
                    activation(),
                    nn.Dropout() if closes and not isinstance(pooling, nn.Identity) else nn.Identity(),
                ])  # fmt: skip
                inputs = outputs
        self.classifier = nn.Conv2d(inputs, num_classes, 1)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.classifier(F.relu(self.features(x)))
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)


@register_model
def nin(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 3, input_size: int = 32, divisor: int = 1
) -> NIN:
    """Network in Network with ReLU, or with nothing between normalisation and sign() for `xnor`."""
    return NIN(nn.Identity if scheme == "xnor" else nn.ReLU, num_classes, in_channels, input_size, divisor)
