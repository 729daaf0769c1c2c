"""VGG-11, 13, 16 and 19, plain and with batch normalisation, with torchvision's state-dict keys and shapes."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.layers import AddedBatchNorm1d, AddedBatchNorm2d, initialise
from edgenet.models.registry import register_model

Depths = tuple[int, int, int, int, int]
A, B, D, E = (1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)
"""Convolutions between two poolings (Simonyan and Zisserman 2015, arXiv:1409.1556, table 1)."""
POOLED_SIZE = 7
"""Height and width of what the classifier sees, at 224 pixels that of the last pooling."""


class VGG(nn.Module):
    """VGG on images [N, in_channels, H, W], H and W at least 32; `depths` are convolutions between two poolings.

    `width` is that of the first convolution, `classifier_size` that of the two hidden linear layers. For `xnor` sign()
    takes the place of ReLU and the order is convolution, pooling, normalisation (XNOR-Net, arXiv:1603.05279, section
    3.2), and plain networks and the classifier are normalised as well. The state-dict keys stay.
    """

    def __init__(
        self, depths: Depths, batch_norm: bool, scheme: str, num_classes: int = 10, in_channels: int = 3,
        input_size: int = 32, classifier_size: int = 4096, width: int = 64,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        xnor = scheme == "xnor"
        widths = [width * factor for factor in (1, 2, 4, 8, 8)]
        self.features = _features(depths, widths, in_channels, batch_norm, xnor)
        inputs, hidden = widths[-1] * POOLED_SIZE**2, classifier_size
        # At the places of torchvision's ReLU and dropout, which xnor does without.
        second, third = (AddedBatchNorm1d, nn.Identity) if xnor else (nn.ReLU, nn.Dropout)
        arguments = (hidden,) if xnor else ()
        self.classifier = nn.Sequential(
            nn.Linear(inputs, hidden), second(*arguments), third(),
            nn.Linear(hidden, hidden), second(*arguments), nn.ReLU() if xnor else third(),
            nn.Linear(hidden, num_classes),
        )  # fmt: skip
        initialise(self, linear_deviation=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        if x.shape[-2:] != (POOLED_SIZE, POOLED_SIZE):
            x = F.adaptive_avg_pool2d(x, POOLED_SIZE)
        return self.classifier(torch.flatten(x, 1))


def _features(depths: Depths, widths: list[int], in_channels: int, batch_norm: bool, xnor: bool) -> nn.Sequential:
    """The convolutional part, each layer under the number that it has in torchvision's sequence."""
    features, number, inputs = nn.Sequential(), 0, in_channels
    normalisation = nn.BatchNorm2d if batch_norm else AddedBatchNorm2d
    for depth, width in zip(depths, widths, strict=True):
        for index in range(depth):
            pooled = index + 1 == depth
            relu = number + 1 + batch_norm
            layers: list[tuple[int, nn.Module]] = [(number, nn.Conv2d(inputs, width, 3, padding=1))]
            if batch_norm or xnor:
                layers.append((number + 1, normalisation(width)))
            if not xnor:
                layers.append((relu, nn.ReLU(inplace=True)))
            if pooled:
                layers.insert(1 if xnor else len(layers), (relu + 1, nn.MaxPool2d(2)))
            for key, layer in layers:
                features.add_module(str(key), layer)
            number, inputs = relu + 1 + pooled, width
    return features


@register_model
def vgg11(num_classes: int = 10, scheme: str = "full", depths: Depths = A, **options: Any) -> VGG:
    """VGG-11: torchvision's vgg11_bn for `full` and `bwn`; normalised after pooling and without ReLU for `xnor`."""
    return VGG(depths, True, scheme, num_classes, **options)


@register_model
def vgg13(num_classes: int = 10, scheme: str = "full", depths: Depths = B, **options: Any) -> VGG:
    """VGG-13: torchvision's vgg13_bn for `full` and `bwn`; normalised after pooling and without ReLU for `xnor`."""
    return VGG(depths, True, scheme, num_classes, **options)


@register_model
def vgg16(num_classes: int = 10, scheme: str = "full", depths: Depths = D, **options: Any) -> VGG:
    """VGG-16: torchvision's vgg16_bn for `full` and `bwn`; normalised after pooling and without ReLU for `xnor`."""
    return VGG(depths, True, scheme, num_classes, **options)


@register_model
def vgg19(num_classes: int = 10, scheme: str = "full", depths: Depths = E, **options: Any) -> VGG:
    """VGG-19: torchvision's vgg19_bn for `full` and `bwn`; normalised after pooling and without ReLU for `xnor`."""
    return VGG(depths, True, scheme, num_classes, **options)


@register_model
def vgg11_plain(num_classes: int = 10, scheme: str = "full", depths: Depths = A, **options: Any) -> VGG:
    """VGG-11 as published: torchvision's vgg11 for `full` and `bwn`; with normalisation and without ReLU for `xnor`."""
    return VGG(depths, False, scheme, num_classes, **options)


@register_model
def vgg13_plain(num_classes: int = 10, scheme: str = "full", depths: Depths = B, **options: Any) -> VGG:
    """VGG-13 as published: torchvision's vgg13 for `full` and `bwn`; with normalisation and without ReLU for `xnor`."""
    return VGG(depths, False, scheme, num_classes, **options)


@register_model
def vgg16_plain(num_classes: int = 10, scheme: str = "full", depths: Depths = D, **options: Any) -> VGG:
    """VGG-16 as published: torchvision's vgg16 for `full` and `bwn`; with normalisation and without ReLU for `xnor`."""
    return VGG(depths, False, scheme, num_classes, **options)


@register_model
def vgg19_plain(num_classes: int = 10, scheme: str = "full", depths: Depths = E, **options: Any) -> VGG:
    """VGG-19 as published: torchvision's vgg19 for `full` and `bwn`; with normalisation and without ReLU for `xnor`."""
    return VGG(depths, False, scheme, num_classes, **options)
