"""Frozen random features with a linear read-out: extreme learning machine, random CNN, echo state network."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.fitted import RIDGE, FittedNetwork
from edgenet.models.registry import register_model
from edgenet.nn import FrozenConv2d, FrozenLinear, FrozenRNN


def _weights(scheme: str) -> str:
    """The scheme of frozen layers: their weights have one bit in every scheme, `full` included."""
    return "xnor" if scheme == "xnor" else "bwn"


class ExtremeLearningMachine(FittedNetwork):
    """`logits = W tanh(R x + r) + b` with R, r frozen at random, on images [N, in_channels, H, W].

    Huang et al. 2006, Extreme learning machine: theory and applications, eq. 5.
    """

    def __init__(
        self, scheme: str, num_classes: int, in_channels: int, input_size: int, hidden_size: int, ridge: float
    ) -> None:
        super().__init__()
        self.input_shape, self.ridge = (in_channels, input_size, input_size), ridge
        self.hidden = FrozenLinear(in_channels * input_size**2, hidden_size, scheme=_weights(scheme))
        self.fc = nn.Linear(hidden_size, num_classes)

    def features(self, x: Tensor) -> Tensor:
        return torch.tanh(self.hidden(torch.flatten(x, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


class RandomCNN(FittedNetwork):
    """Frozen random convolutions, each averaged, normalised and rectified, and a read-out of all places.

    Jarrett et al. 2009, What is the best multi-stage architecture for object recognition?, with random filters. The
    first convolution sees the image itself in every scheme. Normalisation has no parameters, only statistics; where a
    binary layer follows, sign() takes the place of the rectification.
    """

    def __init__(
        self, scheme: str, num_classes: int, in_channels: int, input_size: int, widths: tuple[int, ...], ridge: float
    ) -> None:
        super().__init__()
        self.input_shape, self.ridge = (in_channels, input_size, input_size), ridge
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        inputs = in_channels
        for index, width in enumerate(widths):
            layer_scheme = _weights(scheme) if index else "bwn"
            self.convolutions.append(FrozenConv2d(inputs, width, 5, padding=2, bias=False, scheme=layer_scheme))
            self.norms.append(nn.BatchNorm2d(width, affine=False))
            inputs = width
        self.activation: nn.Module = nn.Identity() if scheme == "xnor" else nn.ReLU()
        side = input_size // 2 ** len(widths)
        self.fc = nn.Linear(inputs * side**2, num_classes)

    def features(self, x: Tensor) -> Tensor:
        last = len(self.norms) - 1
        for index, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = norm(F.avg_pool2d(convolution(x), 2))
            x = F.relu(x) if index == last else self.activation(x)
        return torch.flatten(x, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


class EchoStateNetwork(FittedNetwork):
    """A frozen random reservoir and a read-out of its states, on sequences [N, T, in_channels] of any length.

    Jaeger 2001, The "echo state" approach to analysing and training recurrent neural networks. The read-out sees the
    states through their first `moments` cosine coefficients over time, `mean_t cos(pi k (t + 1/2) / T) s[t]`: the mean
    state, and coarse changes of it.
    """

    def __init__(
        self, scheme: str, num_classes: int, in_channels: int, hidden_size: int, moments: int, ridge: float
    ) -> None:
        super().__init__()
        self.input_shape, self.ridge, self.moments = (28, in_channels), ridge, moments
        # sign() amplifies without bound: the input must outweigh the state for the state to follow it.
        radius = 0.25 if scheme == "xnor" else 0.95
        self.rnn = FrozenRNN(in_channels, hidden_size, scheme=_weights(scheme), radius=radius)
        self.fc = nn.Linear(moments * hidden_size, num_classes)

    def features(self, x: Tensor) -> Tensor:
        return self._coefficients(self.rnn(x)[0])

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [N, T, in_channels], state [1, N, hidden] (zeros if None) -> (logits [N, classes], final state)."""
        states, final = self.rnn(x, state)
        return self.fc(self._coefficients(states)), final

    def _coefficients(self, states: Tensor) -> Tensor:
        steps = states.shape[1]
        place = (torch.arange(steps, device=states.device).unsqueeze(1) + 0.5) / steps
        waves = (torch.cos(math.pi * k * place) for k in range(self.moments))
        return torch.cat([(states * wave).mean(1) for wave in waves], 1)


@register_model
def elm(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 1, input_size: int = 32, hidden_size: int = 2000,
    ridge: float = RIDGE,
) -> ExtremeLearningMachine:  # fmt: skip
    """Extreme learning machine; for `xnor` the hidden layer sees the signs of the image's values."""
    return ExtremeLearningMachine(scheme, num_classes, in_channels, input_size, hidden_size, ridge)


@register_model
def random_cnn(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 1, input_size: int = 32,
    widths: tuple[int, ...] = (32, 64, 128), ridge: float = RIDGE,
) -> RandomCNN:  # fmt: skip
    """Frozen random convolutions; for `xnor` those after the first see signs."""
    return RandomCNN(scheme, num_classes, in_channels, input_size, widths, ridge)


@register_model
def esn(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 28, hidden_size: int = 400, moments: int = 6,
    ridge: float = 1e-4,
) -> EchoStateNetwork:  # fmt: skip
    """Echo state network; for `xnor` the reservoir hands itself the signs of its state."""
    return EchoStateNetwork(scheme, num_classes, in_channels, hidden_size, moments, ridge)
