"""VGG-small, the network on which papers on binary networks compare CIFAR-10."""

import torch
from torch import Tensor, nn

from edgenet.models.layers import initialise
from edgenet.models.registry import register_model

POOLINGS = 3


class VGGSmall(nn.Module):
    """Six 3x3 convolutions of `width`, twice and four times as many channels, and one linear layer.

    For images [N, in_channels, input_size, input_size], input_size a multiple of 8. After Zhang et al. 2018 (LQ-Nets,
    arXiv:1807.10029, section 5.1). The order is convolution, pooling, normalisation, activation in all schemes, so that
    for `xnor` sign() takes the place of ReLU; the linear layer always follows a ReLU.
    """

    def __init__(
        self, activation: type[nn.Module], num_classes: int = 10, in_channels: int = 3, input_size: int = 32,
        width: int = 128,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.features = nn.Sequential()
        inputs = in_channels
        for index in range(2 * POOLINGS):
            outputs, pooled = width * 2 ** (index // 2), index % 2 == 1
            is_last = index + 1 == 2 * POOLINGS
            self.features.extend([
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.MaxPool2d(2) if pooled else nn.Identity(),
                nn.BatchNorm2d(outputs),
                nn.ReLU() if is_last else activation(),
            ])  # fmt: skip
            inputs = outputs
        self.fc = nn.Linear(inputs * (input_size // 2**POOLINGS) ** 2, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.features(x), 1))


@register_model
def vgg_small(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 3, input_size: int = 32, width: int = 128
) -> VGGSmall:
    """VGG-small with ReLU, or with nothing between normalisation and sign() for `xnor`."""
    return VGGSmall(nn.Identity if scheme == "xnor" else nn.ReLU, num_classes, in_channels, input_size, width)
