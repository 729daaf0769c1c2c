"""Recurrent layers on top of each other, in float or in binary, whose state is one tensor."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.nn import run_recurrent

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentStack(nn.Module):
    """`num_layers` Elman, LSTM or GRU layers, batch first: what the sequence networks have in common.

    The state is one tensor [layers * directions, N, H], so that an app feeds back what it was given; of an LSTM it is h
    of all layers, then c of all layers. `dropout` is between the layers. Forget gates are open at first (Jozefowicz et
    al. 2015). With `shortcuts` each layer above the first adds what it was given to what it hands on (Wu et al. 2016,
    arXiv:1609.08144, section 3.1), so that floats pass by layers that see signs alone.
    Raises EdgenetError for an unknown cell.
    """

    def __init__(
        self, cell: str, input_size: int, hidden_size: int, num_layers: int = 1, *, bidirectional: bool = False,
        dropout: float = 0.0, shortcuts: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if cell not in CELLS:
            raise EdgenetError(f"unknown cell {cell!r}: use one of {', '.join(CELLS)}")
        self.directions = 2 if bidirectional else 1
        self.output_size = hidden_size * self.directions
        self.state_tensors = 2 if cell == "lstm" else 1
        self.bidirectional = bidirectional
        together = 1 if shortcuts else num_layers
        rnns = [
            CELLS[cell](
                self.output_size if level else input_size, hidden_size, together, batch_first=True,
                bidirectional=bidirectional, dropout=dropout if together > 1 else 0.0,  # else torch warns of it
            )
            for level in range(num_layers // together)
        ]  # fmt: skip
        if cell == "lstm":
            with torch.no_grad():
                for rnn in rnns:
                    for name, bias in rnn.named_parameters():
                        if name.startswith("bias_ih"):
                            bias[hidden_size : 2 * hidden_size] = 1.0
        self.rnn: nn.Module = rnns[0]
        self.above = nn.ModuleList(rnns[1:])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [N, T, I], state, lengths [N] -> (output [N, T, directions * H], final state)."""
        first: Any = state if state is None or self.state_tensors == 1 else state.chunk(2)
        if not self.above:
            output, final = run_recurrent(self.rnn, x, first, lengths)
            return output, final if self.state_tensors == 1 else torch.cat(final)
        finals = []
        for level, rnn in enumerate([self.rnn, *self.above]):
            output, final = run_recurrent(rnn, self.dropout(x) if level else x, self._of_level(first, level), lengths)
            x = output + x if level else output
            finals.append((final,) if self.state_tensors == 1 else final)
        return x, torch.cat([torch.cat(tensors) for tensors in zip(*finals, strict=True)])

    def _of_level(self, state: Any, level: int) -> Any:
        """The rows of a state of all layers that are one layer's."""
        if state is None:
            return None
        rows = slice(level * self.directions, (level + 1) * self.directions)
        return state[rows] if self.state_tensors == 1 else tuple(tensor[rows] for tensor in state)
