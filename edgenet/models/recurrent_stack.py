"""Recurrent layers on top of each other, in float or in binary, whose state is one tensor."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.nn import run_recurrent

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentStack(nn.Module):
    """`num_layers` Elman, LSTM or GRU layers, batch first: what the sequence networks have in common.

    The state is one tensor [layers * directions, N, H], so that an app feeds back what it was given; of an LSTM it is h
    of all layers, then c of all layers. `dropout` is between the layers. Forget gates are open at first (Jozefowicz et
    al. 2015). Raises EdgenetError for an unknown cell.
    """

    def __init__(
        self, cell: str, input_size: int, hidden_size: int, num_layers: int = 1, *, bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if cell not in CELLS:
            raise EdgenetError(f"unknown cell {cell!r}: use one of {', '.join(CELLS)}")
        self.output_size = hidden_size * (2 if bidirectional else 1)
        self.state_tensors = 2 if cell == "lstm" else 1
        self.bidirectional = bidirectional
        # torch warns of dropout where there is nothing between layers.
        self.rnn: nn.Module = CELLS[cell](
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
        )  # fmt: skip
        if cell == "lstm":
            with torch.no_grad():
                for name, bias in self.rnn.named_parameters():
                    if name.startswith("bias_ih"):
                        bias[hidden_size : 2 * hidden_size] = 1.0

    def forward(self, x: Tensor, state: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [N, T, I], state, lengths [N] -> (output [N, T, directions * H], final state)."""
        tensors = state if state is None or self.state_tensors == 1 else state.chunk(2)
        output, final = run_recurrent(self.rnn, x, tensors, lengths)
        return output, final if self.state_tensors == 1 else torch.cat(final)
