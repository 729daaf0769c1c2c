"""VGG-16 with batch normalisation and torchvision's state-dict keys and shapes, so that its pretrained weights load."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.registry import register_model

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Widths of the convolutions between two poolings (Simonyan and Zisserman 2015, arXiv:1409.1556, table 1, D)."""
POOLED_SIZE = 7
"""Height and width of what the classifier sees, at 224 pixels that of the last pooling."""


class AddedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation that the full network lacks: where the weights given hold none for it, it keeps its own."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if any(key.startswith(prefix) for key in state_dict):
            super()._load_from_state_dict(state_dict, prefix, *args)


class VGG(nn.Module):
    """VGG-16 on images [N, in_channels, H, W], H and W at least 32; `classifier_size` is the width of its two hidden
    linear layers.

    For `xnor` sign() takes the place of ReLU and the order is convolution, pooling, normalisation (XNOR-Net,
    arXiv:1603.05279, section 3.2), and the classifier is normalised as well. The state-dict keys stay.
    """

    def __init__(
        self, scheme: str, num_classes: int = 10, in_channels: int = 3, input_size: int = 32,
        classifier_size: int = 4096,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        xnor = scheme == "xnor"
        self.features = _features(in_channels, xnor)
        inputs, width = STAGES[-1][-1] * POOLED_SIZE**2, classifier_size
        # At the places of torchvision's ReLU and dropout, which xnor does without.
        second, third = (AddedBatchNorm1d, nn.Identity) if xnor else (nn.ReLU, nn.Dropout)
        arguments = (width,) if xnor else ()
        self.classifier = nn.Sequential(
            nn.Linear(inputs, width), second(*arguments), third(),
            nn.Linear(width, width), second(*arguments), nn.ReLU() if xnor else third(),
            nn.Linear(width, num_classes),
        )  # fmt: skip
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        if x.shape[-2:] != (POOLED_SIZE, POOLED_SIZE):
            x = F.adaptive_avg_pool2d(x, POOLED_SIZE)
        return self.classifier(torch.flatten(x, 1))


def _features(in_channels: int, xnor: bool) -> nn.Sequential:
    """The convolutional part, each layer under the number that it has in torchvision's sequence."""
    features, number, inputs = nn.Sequential(), 0, in_channels
    for widths in STAGES:
        for index, width in enumerate(widths):
            pooled = index + 1 == len(widths)
            layers: list[tuple[int, nn.Module]] = [
                (number, nn.Conv2d(inputs, width, 3, padding=1)),
                (number + 1, nn.BatchNorm2d(width)),
            ]
            if not xnor:
                layers.append((number + 2, nn.ReLU(inplace=True)))
            if pooled:
                layers.insert(1 if xnor else 3, (number + 3, nn.MaxPool2d(2)))
            for key, layer in layers:
                features.add_module(str(key), layer)
            number, inputs = number + 3 + pooled, width
    return features


@torch.no_grad()
def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


@register_model
def vgg16(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 3, input_size: int = 32,
    classifier_size: int = 4096,
) -> VGG:  # fmt: skip
    """VGG-16: torchvision's vgg16_bn for `full` and `bwn`; normalised after pooling and without ReLU for `xnor`."""
    return VGG(scheme, num_classes, in_channels, input_size, classifier_size)
