"""The Elman network, many-to-one."""

from torch import Tensor, nn

from edgenet.models.registry import register_model


class Elman(nn.Module):
    """Stacked Elman layers and a linear read-out of the last step.

    `h[t] = tanh(W_xh x[t] + W_hh h[t-1] + b)`, `logits = W_hy h[T-1] + b_y` (Elman 1990, Finding structure in time).
    """

    def __init__(
        self, num_classes: int = 10, in_channels: int = 28, hidden_size: int = 128, num_layers: int = 2
    ) -> None:
        super().__init__()
        self.input_shape = (28, in_channels)
        self.rnn = nn.RNN(in_channels, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [N, T, in_channels], state [layers, N, hidden] (zeros if None) -> (logits [N, classes], final state)."""
        output, state = self.rnn(x, state)
        return self.fc(output[:, -1]), state


@register_model
def elman(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 28, hidden_size: int = 128, num_layers: int = 2
) -> Elman:
    """The Elman network; the binary versions normalise inside the recurrent layer, which replaces `nn.RNN` whole."""
    return Elman(num_classes, in_channels, hidden_size, num_layers)
