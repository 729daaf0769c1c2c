"""AlexNet with torchvision's state-dict keys and shapes, so that its pretrained weights load."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.layers import AddedBatchNorm1d, AddedBatchNorm2d, initialise
from edgenet.models.registry import register_model

WIDTHS = (64, 192, 384, 256, 256)
"""Of the five convolutions in one tower (Krizhevsky 2014, arXiv:1404.5997, section 5)."""
POOLED_SIZE = 6
"""Height and width of what the classifier sees, at 224 pixels that of the last pooling."""


class AlexNet(nn.Module):
    """Five convolutions and three linear layers on images [N, in_channels, H, W], H and W at least 63.

    After Krizhevsky et al. 2012 in the form of one tower (arXiv:1404.5997). `groups` 2 is the split over two GPUs: the
    second, fourth and fifth convolutions then see the channels of their own half alone; with `widths` (96, 256, 384,
    384, 256) that is the network of 2012 but for its local response normalisation. For `xnor` sign() takes the place of
    ReLU, the order is convolution, pooling, normalisation (XNOR-Net, arXiv:1603.05279, section 3.2) and there is no
    dropout. The state-dict keys stay.
    """

    def __init__(
        self, scheme: str, num_classes: int = 10, in_channels: int = 3, input_size: int = 64, groups: int = 1,
        widths: tuple[int, int, int, int, int] = WIDTHS, classifier_size: int = 4096,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        xnor = scheme == "xnor"
        first, second, third, fourth, fifth = widths
        convolutions = (
            (0, nn.Conv2d(in_channels, first, 11, 4, 2), True),
            (3, nn.Conv2d(first, second, 5, padding=2, groups=groups), True),
            (6, nn.Conv2d(second, third, 3, padding=1), False),
            (8, nn.Conv2d(third, fourth, 3, padding=1, groups=groups), False),
            (10, nn.Conv2d(fourth, fifth, 3, padding=1, groups=groups), True),
        )
        self.features = nn.Sequential()
        for number, convolution, pooled in convolutions:
            layers: list[tuple[int, nn.Module]] = [(number, convolution)]
            layers.append((number + 1, AddedBatchNorm2d(convolution.out_channels) if xnor else nn.ReLU(inplace=True)))
            if pooled:
                layers.insert(1 if xnor else 2, (number + 2, nn.MaxPool2d(3, 2)))
            for key, layer in layers:
                self.features.add_module(str(key), layer)
        self.classifier = _classifier(fifth * POOLED_SIZE**2, classifier_size, num_classes, xnor)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        if x.shape[-2:] != (POOLED_SIZE, POOLED_SIZE):
            x = F.adaptive_avg_pool2d(x, POOLED_SIZE)
        return self.classifier(torch.flatten(x, 1))


def _classifier(inputs: int, width: int, num_classes: int, xnor: bool) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["0"] = nn.Identity() if xnor else nn.Dropout()
    layers["1"] = nn.Linear(inputs, width)
    layers["2"] = AddedBatchNorm1d(width) if xnor else nn.ReLU(inplace=True)
    layers["3"] = nn.Identity() if xnor else nn.Dropout()
    layers["4"] = nn.Linear(width, width)
    layers["5"] = AddedBatchNorm1d(width) if xnor else nn.ReLU(inplace=True)
    if xnor:
        layers["relu"] = nn.ReLU()  # the last layer sees float values
    layers["6"] = nn.Linear(width, num_classes)
    return nn.Sequential(layers)


@register_model
def alexnet(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 3, input_size: int = 64, groups: int = 1,
    widths: tuple[int, int, int, int, int] = WIDTHS, classifier_size: int = 4096,
) -> AlexNet:  # fmt: skip
    """AlexNet: torchvision's network for `full` and `bwn`; normalised after pooling and without ReLU for `xnor`."""
    return AlexNet(scheme, num_classes, in_channels, input_size, groups, widths, classifier_size)
