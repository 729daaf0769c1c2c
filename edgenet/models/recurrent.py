"""Recurrent networks, many-to-one: Elman, LSTM and GRU."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgenet.models.registry import register_model


class RecurrentClassifier(nn.Module):
    """Stacked recurrent layers and a linear read-out of the last step: `logits = W_y h[T-1] + b_y`.

    The binary versions normalise inside the recurrent layers, so that they replace those of torch whole.
    """

    def __init__(
        self, kind: Callable[..., nn.Module], num_classes: int = 10, in_channels: int = 28, hidden_size: int = 128,
        num_layers: int = 2,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (28, in_channels)
        self.rnn: nn.Module = kind(in_channels, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [N, T, in_channels], state [layers, N, hidden] (zeros if None) -> (logits [N, classes], final state)."""
        output, state = self.rnn(x, state)
        return self.fc(output[:, -1]), state


class LSTMClassifier(RecurrentClassifier):
    """The same with LSTM layers; the state [2 * layers, N, hidden] is h of all layers, then c of all layers."""

    def __init__(
        self, num_classes: int = 10, in_channels: int = 28, hidden_size: int = 128, num_layers: int = 2
    ) -> None:
        super().__init__(nn.LSTM, num_classes, in_channels, hidden_size, num_layers)
        with torch.no_grad():
            for name, bias in self.rnn.named_parameters():
                if name.startswith("bias_ih"):
                    # Open forget gates at first (Jozefowicz et al. 2015).
                    bias[hidden_size : 2 * hidden_size] = 1.0

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, final = self.rnn(x, None if state is None else state.chunk(2))
        return self.fc(output[:, -1]), torch.cat(final)


@register_model
def elman(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 28, hidden_size: int = 128, num_layers: int = 2
) -> RecurrentClassifier:
    """`h[t] = tanh(W_xh x[t] + W_hh h[t-1] + b)` (Elman 1990, Finding structure in time)."""
    return RecurrentClassifier(nn.RNN, num_classes, in_channels, hidden_size, num_layers)


@register_model
def lstm(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 28, hidden_size: int = 128, num_layers: int = 2
) -> LSTMClassifier:
    """Long short-term memory (Hochreiter and Schmidhuber 1997)."""
    return LSTMClassifier(num_classes, in_channels, hidden_size, num_layers)


@register_model
def gru(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 28, hidden_size: int = 128, num_layers: int = 2
) -> RecurrentClassifier:
    """Gated recurrent units (Cho et al. 2014, arXiv:1406.1078)."""
    return RecurrentClassifier(nn.GRU, num_classes, in_channels, hidden_size, num_layers)
