"""Stacked recurrent networks with 1-bit weights, in the place of those of torch.nn."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from edgenet.errors import EdgenetError
from edgenet.nn.recurrent_cells import Cell, ElmanCell, GRUCell, LSTMCell, State
from edgenet.nn.recurrent_layer import BinaryRNNLayer
from edgenet.nn.sequences import check_lengths, mask_steps, reverse_sequences, step_mask


class BinaryRNNBase(nn.Module):
    """Layers of one cell on top of each other: what the binary recurrent networks have in common.

    `input_scheme` is the scheme of the first layer's input half ("full" keeps it float, "int8" gives it 8 bits);
    those above have `scheme`. `dropout` is between the layers. Other options as for `BinaryLinear`. x is [T, N, I], or
    [N, T, I] with `batch_first`; each tensor of the state [layers * directions, N, H], zeros where none is given.

    `bidirectional`: each layer also reads the sequence in reverse (Schuster and Paliwal 1997), with weights of its own,
    and hands on both results side by side. `layers` then holds, as torch's state does, a layer's forward direction and
    its reverse one after the other.

    `lengths` [N]: the sequences are zero-padded behind these. Padding changes no result: the output is 0 there, the
    final state is that after the last real step, the reverse direction begins at it, and the normalisations see nothing
    of the padding.
    Raises EdgenetError for an input or a state of another shape, and for lengths that are not of this batch.
    """

    cell: ClassVar[type[Cell]]

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *, scheme: str = "bwn",
        input_scheme: str = "full", batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.scheme, self.batch_first, self.dropout, self.bidirectional = scheme, batch_first, dropout, bidirectional
        self.directions = 2 if bidirectional else 1
        self.layers = nn.ModuleList(
            BinaryRNNLayer(
                hidden_size * self.directions if level else input_size, hidden_size,
                scheme=scheme, input_scheme=scheme if level else input_scheme, cell=self.cell, **options,
            )
            for level in range(num_layers)
            for _ in range(self.directions)
        )  # fmt: skip

    @classmethod
    def from_float(cls, rnn: nn.RNNBase, *, scheme: str, input_scheme: str = "full", **options: Any) -> Self:
        """The binary version of the float network of the same cell; its weights are copied."""
        binary = cls(
            rnn.input_size, rnn.hidden_size, rnn.num_layers, scheme=scheme, input_scheme=input_scheme,
            batch_first=rnn.batch_first, dropout=rnn.dropout, bidirectional=rnn.bidirectional, **options,
        )  # fmt: skip
        for index, layer in enumerate(binary.rows()):
            level, reverse = divmod(index, binary.directions)
            layer.adopt(rnn, f"l{level}_reverse" if reverse else f"l{level}")
        return binary.to(next(rnn.parameters()).device).train(rnn.training)

    def rows(self) -> list[BinaryRNNLayer]:
        """The layers, from input to output, in both directions one after the other."""
        return [layer for layer in self.layers if isinstance(layer, BinaryRNNLayer)]

    def _run(
        self, x: Tensor, state: Sequence[Tensor] | None, lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        batch, time = (0, 1) if self.batch_first else (1, 0)
        self._check_input(x, time)
        state = self._initial(x, state, x.shape[batch])
        mask = None
        if lengths is not None:
            lengths = check_lengths(lengths.to(x.device), x.shape[batch], x.shape[time])
            mask = step_mask(lengths, x.shape[time])
        x = x.transpose(0, 1) if self.batch_first else x
        final: list[State] = []
        rows = self.rows()
        for level in range(self.num_layers):
            outputs: list[Tensor] = []
            for layer in rows[level * self.directions : (level + 1) * self.directions]:
                reverse = len(outputs) == 1
                initial = tuple(tensor[len(final)] for tensor in state)
                states, last = layer(reverse_sequences(x, lengths) if reverse else x, initial, mask)
                output = layer.cell.output(states)
                outputs.append(reverse_sequences(output, lengths) if reverse else output)
                final.append(last)
            x = mask_steps(torch.cat(outputs, 2), lengths, time=0)
            if self.dropout and level + 1 < self.num_layers:
                x = F.dropout(x, self.dropout, self.training)
        x = x.transpose(0, 1) if self.batch_first else x
        return x, tuple(torch.stack(tensors) for tensors in zip(*final, strict=True))

    def _check_input(self, x: Tensor, time: int) -> None:
        if isinstance(x, PackedSequence):
            raise EdgenetError(
                f"{type(self).__name__} got a PackedSequence: give the zero-padded batch and its lengths instead, as "
                "edgenet.nn.run_recurrent does for float and binary networks alike"
            )
        if not isinstance(x, Tensor) or x.dim() != 3 or x.shape[2] != self.input_size or x.shape[time] == 0:
            found = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise EdgenetError(
                f"{type(self).__name__} needs a batch of sequences with {self.input_size} features a step, got {found}"
            )

    def _initial(self, x: Tensor, state: Sequence[Tensor] | None, samples: int) -> Sequence[Tensor]:
        shape = (self.num_layers * self.directions, samples, self.hidden_size)
        state = [x.new_zeros(shape)] * self.cell.states if state is None else state
        if [tuple(tensor.shape) for tensor in state] != [shape] * self.cell.states:
            raise EdgenetError(
                f"the state of this {type(self).__name__} is {self.cell.states} x {list(shape)}, "
                f"got {[list(tensor.shape) for tensor in state]}"
            )
        return state

    def extra_repr(self) -> str:
        directions = ", bidirectional" if self.bidirectional else ""
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, scheme={self.scheme}{directions}"


class BinaryRNN(BinaryRNNBase):
    """Stacked Elman network with 1-bit weights (`bwn`) or 1-bit weights and activations (`xnor`); replaces `nn.RNN`.

    Options as for `BinaryRNNBase`. Where `nn.RNN` hands on hidden values tanh(p), the state here is the pre-activation
    p of each layer: feed the returned state back to go on with a sequence, zeros start afresh.
    """

    cell = ElmanCell

    def forward(self, x: Tensor, state: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [T, N, I], state [layers, N, H], lengths [N] -> (output [T, N, H], state)."""
        output, (state,) = self._run(x, None if state is None else (state,), lengths)
        return output, state


class BinaryLSTM(BinaryRNNBase):
    """Stacked LSTM with 1-bit weights (`bwn`) or 1-bit weights and hidden values (`xnor`); replaces `nn.LSTM`.

    Options as for `BinaryRNNBase`; the state is (h, c) as in torch. `bwn` has torch's logistic function and tanh,
    `xnor` the hard ones, `clip(a / 4 + 1/2, 0, 1)` and `clip(a, -1, 1)`, so that it is exact wherever it runs.
    """

    cell = LSTMCell

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x [T, N, I], state (h, c), each [layers, N, H], lengths [N] -> (output [T, N, H], state)."""
        output, (hidden, cell) = self._run(x, state, lengths)
        return output, (hidden, cell)


class BinaryGRU(BinaryRNNBase):
    """Stacked GRU with 1-bit weights (`bwn`) or 1-bit weights and hidden values (`xnor`); replaces `nn.GRU`.

    Options as for `BinaryRNNBase`; the functions of its gates as for `BinaryLSTM`.
    """

    cell = GRUCell

    def forward(self, x: Tensor, state: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [T, N, I], state [layers, N, H], lengths [N] -> (output [T, N, H], state)."""
        output, (state,) = self._run(x, None if state is None else (state,), lengths)
        return output, state


BINARY_VERSIONS: dict[type[nn.RNNBase], type[BinaryRNNBase]] = {
    nn.RNN: BinaryRNN,
    nn.LSTM: BinaryLSTM,
    nn.GRU: BinaryGRU,
}
"""What takes the place of each recurrent network of torch."""
