"""Convolutional networks of up to 10,000 layers: a plain chain, and a residual one."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.models.checkpointed import CheckpointedSequential
from edgenet.models.layers import AddedBatchNorm2d
from edgenet.models.registry import register_model


@torch.no_grad()
def delta_orthogonal_(weight: Tensor, gain: float = 1.0) -> Tensor:
    """Fill a kernel [O, I, k, k], O >= I and k odd, with 0 but for an orthogonal matrix at its centre, times `gain`.

    The convolution then keeps the norm of what it is given (times `gain`), forwards as backwards: signals get through
    thousands of layers. Xiao et al. 2018, Dynamical isometry and a mean field theory of CNNs, arXiv:1806.05393,
    algorithm 1. Raises EdgenetError for a kernel of another shape.
    """
    outputs, inputs, height, width = weight.shape if weight.dim() == 4 else (0, 1, 1, 1)
    if outputs < inputs or height % 2 == 0 or width % 2 == 0:
        raise EdgenetError(
            "delta-orthogonal initialisation needs a kernel [O, I, k, k] with O >= I and k odd, "
            f"got {list(weight.shape)}"
        )
    weight.zero_()
    nn.init.orthogonal_(weight[:, :, height // 2, width // 2], gain)
    return weight


class DeepNetwork(nn.Module):
    """Two strided convolutions, a chain of layers of one width at a quarter of the size, and a classifier.

    The classifier sees the averages of the four quarters of the image: delta-orthogonal layers, which begin without any
    mixture of places, need to be told where they are. Images are [N, in_channels, H, W]. In training the chain keeps
    few activations (`CheckpointedSequential`).
    """

    def __init__(
        self, layers: Iterable[nn.Module], activation: type[nn.Module], num_classes: int, in_channels: int,
        input_size: int, width: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        self.stem = nn.Conv2d(in_channels, width, 3, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.reduction = nn.Conv2d(width, width, 3, 2, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.activation = activation()
        self.layers = CheckpointedSequential(*layers)
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.norm1(self.stem(x)))
        x = self.layers(self.activation(self.norm2(self.reduction(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 2), 1))


class PlainLayer(nn.Module):
    """`tanh(conv(x))`, conv a 3x3 convolution; `tanh(norm(conv(x)))` for `bwn`, `x + norm(conv(x))` for `xnor`.

    At full precision the weights begin delta-orthogonal, with tanh at its critical point (gain 1, bias 0). The signs of
    such a kernel would mean nothing, as most of its weights are 0: binary ones begin orthogonal over the whole kernel
    and are normalised. A plain chain of 24 signs does not train at all, so that of `xnor` has shortcuts with the gain
    of `ResidualLayer`: parameters and layers are those of the plain network, float values pass every sign() by.
    """

    def __init__(self, width: int, scheme: str, depth: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.Identity() if scheme == "full" else AddedBatchNorm2d(width)
        self.shortcut = scheme == "xnor"
        if isinstance(self.norm, AddedBatchNorm2d) and self.shortcut:
            nn.init.constant_(self.norm.weight, depth**-0.5)
        (delta_orthogonal_ if scheme == "full" else nn.init.orthogonal_)(self.conv.weight)
        assert self.conv.bias is not None
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        return x + y if self.shortcut else torch.tanh(y)


class ResidualLayer(nn.Module):
    """`y = x + norm(conv(activation(x)))`, the gain of the normalisation `depth ** -0.5` at first.

    So the variances that the layers add are 1 all together, however many there are. The shortcut has nothing on it
    (He et al. 2016, Identity mappings in deep residual networks, arXiv:1603.05027), and there is one over every
    convolution (Bi-Real Net, arXiv:1808.00278).
    """

    def __init__(self, width: int, activation: type[nn.Module], depth: int) -> None:
        super().__init__()
        self.activation = activation()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.constant_(self.norm.weight, depth**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm(self.conv(self.activation(x)))


@register_model
def deep_plain_cnn(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 1, input_size: int = 32, width: int = 32,
    depth: int = 24,
) -> DeepNetwork:  # fmt: skip
    """Plain CNN of any depth, with nothing but tanh and delta-orthogonal weights; normalised in the binary schemes.

    For `xnor` sign() takes the place of tanh, with shortcuts for the float values.
    """
    activation = nn.Identity if scheme == "xnor" else nn.Tanh
    layers = (PlainLayer(width, scheme, depth) for _ in range(depth))
    return DeepNetwork(layers, activation, num_classes, in_channels, input_size, width)


@register_model
def deep_resnet(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 1, input_size: int = 32, width: int = 32,
    depth: int = 48,
) -> DeepNetwork:  # fmt: skip
    """ResNet of any depth with a shortcut over every convolution; for `xnor` without ReLU."""
    activation = nn.Identity if scheme == "xnor" else nn.ReLU
    layers = (ResidualLayer(width, activation, depth) for _ in range(depth))
    return DeepNetwork(layers, activation, num_classes, in_channels, input_size, width)
