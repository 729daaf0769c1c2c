"""What binary recurrent layers become for export: a linear node for the input half of all steps, and the recurrence."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgenet.exporter.packed import PackedLayer, PackedLinear, node
from edgenet.exporter.packed_int8 import PackedInt8Linear
from edgenet.nn import BinaryRNNLayer
from edgenet.nn.recurrent import BinaryRNNBase
from edgenet.nn.recurrent_cells import Cell, ElmanCell, GRUCell, LSTMCell

OPERATORS: dict[type[Cell], str] = {ElmanCell: "Recurrence", LSTMCell: "Lstm", GRUCell: "Gru"}
State = tuple[Tensor, ...]


class PackedRecurrence(PackedLayer):
    """`XnorRecurrence`, `XnorLstm`, `XnorGru` or those of `Bwn`: u [T, N, gates * H] and the initial state, tensors
    [N, H], to the state's first tensor [T, N, H] and the final state.
    """

    def __init__(self, layer: BinaryRNNLayer) -> None:
        p = layer.inference_parameters()
        super().__init__(p.hidden_weight, p.hidden_scale, p.hidden_bias, p.hidden_threshold, p.scheme)
        self.operator = f"{self.prefix}{OPERATORS[type(layer.cell)]}"
        self.has_bias = p.hidden_bias is not None

    def forward(self, u: Tensor, initial: State) -> Sequence[Tensor]:
        last = [self.bias, *initial] if self.has_bias else initial
        operands = [*self._operands(u, last[0]), *last[1:]]
        shapes = [[*u.shape[:2], initial[0].shape[1]], *(list(tensor.shape) for tensor in initial)]
        return node(self.operator, operands, {"weight_shape": self.weight_shape}, shapes)


class PackedRNNLayer(nn.Module):
    """One layer of a binary recurrent network: a linear input half for all steps at once, then the recurrence."""

    def __init__(self, layer: BinaryRNNLayer) -> None:
        super().__init__()
        p = layer.inference_parameters()
        self.input: nn.Module
        if p.input_scheme == "full":
            self.input = nn.Linear(p.input_weight.shape[1], p.input_weight.shape[0])
            with torch.no_grad():
                self.input.weight.copy_(p.input_weight * p.input_scale.unsqueeze(1))
                self.input.bias.copy_(p.input_bias)
        elif p.input_scheme == "int8":
            self.input = PackedInt8Linear(p.input_weight, p.input_scale, p.input_bias)
        else:
            self.input = PackedLinear(p.input_weight, p.input_scale, p.input_bias, p.input_threshold, p.input_scheme)
        self.hidden, self.cell = PackedRecurrence(layer), layer.cell

    def forward(self, x: Tensor, initial: State) -> tuple[Tensor, State]:
        states, *final = self.hidden(self.input(x), initial)
        return self.cell.output(states), tuple(final)


class PackedRNN(nn.Module):
    """A binary recurrent network; x, output and state have the shapes, and the state the form, that they had there."""

    def __init__(self, rnn: BinaryRNNBase) -> None:
        super().__init__()
        self.batch_first, self.hidden_size, self.cell = rnn.batch_first, rnn.hidden_size, rnn.cell
        self.layers = nn.ModuleList(PackedRNNLayer(layer) for layer in rnn.rows())

    def forward(self, x: Tensor, state: Tensor | State | None = None) -> tuple[Tensor, Tensor | State]:
        x = x.transpose(0, 1) if self.batch_first else x
        if state is None:
            state = (x.new_zeros(len(self.layers), x.shape[1], self.hidden_size),) * self.cell.states
        tensors = (state,) if isinstance(state, Tensor) else state
        final = []
        for index, layer in enumerate(self.layers):
            x, last = layer(x, tuple(tensor[index] for tensor in tensors))
            final.append(last)
        stacked = tuple(torch.stack(parts) for parts in zip(*final, strict=True))
        return (x.transpose(0, 1) if self.batch_first else x), stacked if self.cell.states > 1 else stacked[0]
