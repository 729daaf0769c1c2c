"""Small torch networks for the tests of the exporter."""

import torch
import torch.nn.functional as F
from torch import nn

import edgenet
from edgenet.nn import BinaryConv2d, BinaryLinear, calibrate


class Branches(nn.Module):
    """Every geometry that a convolution can have, a layer used twice, and normalisation on either side of a sign."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding="same")
        self.norm = nn.BatchNorm2d(6)
        self.strided = BinaryConv2d(6, 4, (3, 2), stride=(2, 1), padding=(2, 1), groups=2)
        self.dilated = BinaryConv2d(6, 4, 3, dilation=2, padding="same", bias=False, scale="learnable")
        self.narrow = BinaryConv2d(6, 4, (2, 2), padding="same", scheme="bwn")
        self.after = nn.BatchNorm2d(4)
        self.features = BinaryLinear(9, 9, scheme="xnor")
        self.head = nn.Linear(36, 5)

    def forward(self, x):
        x = self.norm(self.stem(x))
        y = self.after(self.dilated(x)) + self.narrow(x)
        y = F.adaptive_avg_pool2d(y, 3).flatten(2) + F.adaptive_avg_pool2d(self.strided(x), 3).flatten(2)
        y = self.features(self.features(y))
        return self.head(y.flatten(1))


class Chain(nn.Module):
    """XNOR convolutions with what can stand between them: normalisation, shortcut, activations, dropout, pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (BinaryConv2d(8, 8, 3, padding=1, scheme="xnor") for _ in range(3))
        self.first_norm, self.second_norm = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.prelu, self.leaky = nn.PReLU(8), nn.LeakyReLU(0.1)
        self.dropout, self.pool = nn.Dropout(0.3), nn.MaxPool2d(2)

    def forward(self, x):
        x = self.prelu(self.first_norm(self.first(x)) + x)
        x = self.leaky(self.second_norm(self.second(x)))
        return self.third(self.pool(self.dropout(x)))


class Shortcut(nn.Module):
    """A convolution over sequences with a shortcut round it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=1, bias=False)
        self.norm, self.prelu = nn.BatchNorm1d(channels), nn.PReLU(channels)

    def forward(self, x):
        return self.prelu(self.norm(self.conv(x)) + x)


class SequenceClassifier(nn.Sequential):
    """Convolutions over sequences [N, 6, 64], with what can stand between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv1d(6, 32, 5, 2, 2), nn.BatchNorm1d(32), nn.ReLU(), nn.MaxPool1d(2))
        self.body = nn.Sequential(Shortcut(32), Shortcut(32), nn.Conv1d(32, 48, 3, dilation=2), nn.ReLU())
        self.depthwise = nn.Conv1d(48, 48, 3, groups=48)
        self.fc = nn.Linear(48, 5)

    def forward(self, x):
        return self.fc(self.depthwise(self.body(self.stem(x))).mean(-1))


class Classifier(nn.Module):
    """What a user would bring: an ordinary float network in the order normalisation, activation, convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, bias=False)
        self.body = nn.Sequential(nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU())
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        return self.fc(self.body(self.stem(x)).mean((2, 3)))


class Lying(nn.Module):
    """Its exported graph is not the network that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        y = self.fc(x)
        return -y if torch.onnx.is_in_onnx_export() else y


def trained(network, *shape):
    """The network with random normalisation statistics and thresholds, as training would leave it behind."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    if shape:
        calibrate(network, torch.randn(32, *shape))
    return network


def binarized(network, scheme, *shape, **options):
    torch.manual_seed(0)
    edgenet.binarize(network, scheme, calibration=torch.randn(32, *shape), **options)
    return network
