"""GoogLeNet with torchvision's state-dict keys and shapes, so that its pretrained weights load."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.layers import AddedBatchNorm2d, AuxiliaryOutputs, initialise
from edgenet.models.registry import register_model

MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Widths of the inception modules (Szegedy et al. 2015, arXiv:1409.4842, table 1): 1x1; 1x1 before 3x3, 3x3; 1x1 before
5x5, 5x5; 1x1 after pooling."""
POOLINGS = {"3b": (3, "maxpool3"), "4e": (2, "maxpool4")}
"""Kernel size and name of the pooling behind a module."""
AUXILIARY = {"4a": "aux1", "4d": "aux2"}
"""Names of the intermediate classifiers that read a module."""


class Convolution(nn.Module):
    """A convolution, its normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class SignConvolution(Convolution):
    """The same layers without ReLU, so that the sign() that follows sees values of both signs."""

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class Pooling(nn.MaxPool2d):
    """Largest values of x [N, channels, H, W], a last window that is cut off included."""

    def __init__(self, channels: int, size: int, stride: int, padding: int = 0) -> None:
        super().__init__(size, stride, padding, ceil_mode=True)


class SignPooling(Pooling):
    """The same, normalised: most maxima are above 0, and sign() would make +1 of them all."""

    def __init__(self, channels: int, size: int, stride: int, padding: int = 0) -> None:
        super().__init__(channels, size, stride, padding)
        self.norm = AddedBatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x))


class Inception(nn.Module):
    """Four paths side by side, their outputs one after another (Szegedy et al. 2015, figure 2b).

    The third path's convolution is 3x3 where the paper has 5x5, as torchvision's pretrained weights are.
    """

    convolution: ClassVar[type[Convolution]] = Convolution
    pooling: ClassVar[type[Pooling]] = Pooling

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        convolution, pooling = self.convolution, self.pooling
        direct, before_3x3, after_3x3, before_5x5, after_5x5, pooled = widths
        self.branch1 = convolution(inputs, direct, 1)
        self.branch2 = nn.Sequential(convolution(inputs, before_3x3, 1), convolution(before_3x3, after_3x3, 3))
        self.branch3 = nn.Sequential(convolution(inputs, before_5x5, 1), convolution(before_5x5, after_5x5, 3))
        self.branch4 = nn.Sequential(pooling(inputs, 3, 1, 1), convolution(inputs, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class SignInception(Inception):
    """The same layers for sign(), and the input added to the first outputs: float values pass every sign() by.

    No module has fewer outputs than inputs, so that nothing has to be projected (He et al. 2016, arXiv:1512.03385,
    option A; Liu et al. 2018, Bi-Real Net, arXiv:1808.00278).
    """

    convolution = SignConvolution
    pooling = SignPooling

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y + F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))


class AuxiliaryClassifier(nn.Module):
    """An intermediate classifier, in training only: x [N, inputs, H, W] -> logits [N, classes] (section 5)."""

    def __init__(self, inputs: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.conv = Convolution(inputs, width, 1)
        self.fc1 = nn.Linear(width * 16, width * 8)
        self.fc2 = nn.Linear(width * 8, num_classes)
        self.dropout = nn.Dropout(0.7)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(self.conv(F.adaptive_avg_pool2d(x, 4)), 1)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """Nine inception modules on images [N, in_channels, H, W], H and W at least 32.

    In training mode `forward` returns `AuxiliaryOutputs` with the logits of the two intermediate classifiers
    (`auxiliary` False leaves them out), in inference mode the logits alone; an exported file holds none of them. They
    keep full precision in the binary versions. All widths are divided by `divisor`.
    """

    training_only = ("aux1", "aux2")

    def __init__(
        self, inception: type[Inception], num_classes: int = 10, in_channels: int = 3, input_size: int = 32,
        auxiliary: bool = True, divisor: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        convolution, pooling = inception.convolution, inception.pooling
        stem, inputs = 64 // divisor, 192 // divisor
        self.conv1 = convolution(in_channels, stem, 7, 2)
        self.maxpool1 = pooling(stem, 3, 2)
        self.conv2 = convolution(stem, stem, 1)
        self.conv3 = convolution(stem, inputs, 3)
        self.maxpool2 = pooling(inputs, 3, 2)
        heads: dict[str, nn.Module] = {}
        for name, full_widths in MODULES.items():
            widths = tuple(width // divisor for width in full_widths)
            self.add_module(f"inception{name}", inception(inputs, widths))
            inputs = widths[0] + widths[2] + widths[4] + widths[5]
            if name in POOLINGS:
                size, key = POOLINGS[name]
                self.add_module(key, pooling(inputs, size, 2))
            if name in AUXILIARY and auxiliary:
                heads[AUXILIARY[name]] = AuxiliaryClassifier(inputs, 128 // divisor, num_classes)
        self.has_auxiliary = auxiliary
        for name, head in heads.items():
            self.add_module(name, head)
        # Without it the last convolution for xnor and the linear layer would be one linear map.
        self.activation = nn.ReLU() if inception is SignInception else nn.Identity()
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(inputs, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor | AuxiliaryOutputs:
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        auxiliary = []
        for name in MODULES:
            x = self.get_submodule(f"inception{name}")(x)
            if name in AUXILIARY and self.training and self.has_auxiliary:
                auxiliary.append(self.get_submodule(AUXILIARY[name])(x))
            if name in POOLINGS:
                x = self.get_submodule(POOLINGS[name][1])(x)
        x = torch.flatten(F.adaptive_avg_pool2d(self.activation(x), 1), 1)
        logits = self.fc(self.dropout(x))
        return AuxiliaryOutputs(logits, tuple(auxiliary)) if auxiliary else logits


@register_model
def googlenet(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 3, input_size: int = 32, auxiliary: bool = True,
    divisor: int = 1,
) -> GoogLeNet:  # fmt: skip
    """GoogLeNet: torchvision's network for `full` and `bwn`; for `xnor` without ReLU and with a shortcut over every
    module."""
    return GoogLeNet(
        SignInception if scheme == "xnor" else Inception, num_classes, in_channels, input_size, auxiliary, divisor
    )
