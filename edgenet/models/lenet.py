"""LeNet-5, the classic network for digits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.registry import register_model


class LeNet5(nn.Module):
    """Two 5x5 convolutions and three linear layers on images [N, in_channels, 32, 32].

    After LeCun et al. 1998 (Gradient-based learning applied to document recognition), with ReLU, max pooling and batch
    normalisation. In the order convolution, pooling, normalisation a binary layer that follows sees sign() of a
    normalised value (XNOR-Net, arXiv:1603.05279, section 3.2): for `xnor`, sign() takes the place of ReLU.
    """

    def __init__(self, activation: type[nn.Module], num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.input_shape = (in_channels, 32, 32)
        self.conv1 = nn.Conv2d(in_channels, 6, 5, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 16, 5, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.fc1 = nn.Linear(16 * 5 * 5, 120, bias=False)
        self.bn3 = nn.BatchNorm1d(120)
        self.fc2 = nn.Linear(120, 84, bias=False)
        self.bn4 = nn.BatchNorm1d(84)
        self.fc3 = nn.Linear(84, num_classes)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.bn1(F.max_pool2d(self.conv1(x), 2)))
        x = self.activation(self.bn2(F.max_pool2d(self.conv2(x), 2)))
        x = self.activation(self.bn3(self.fc1(torch.flatten(x, 1))))
        return self.fc3(F.relu(self.bn4(self.fc2(x))))


@register_model
def lenet5(num_classes: int = 10, scheme: str = "full", in_channels: int = 1) -> LeNet5:
    """LeNet-5 with ReLU, or with nothing between normalisation and sign() for `xnor`."""
    return LeNet5(nn.Identity if scheme == "xnor" else nn.ReLU, num_classes, in_channels)
