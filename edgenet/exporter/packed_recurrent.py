"""What binary recurrent layers become for export: a linear node for the input half of all steps, and the recurrence."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgenet.exporter.packed import PackedLayer, PackedLinear, node, standard_node
from edgenet.exporter.packed_int8 import PackedInt8Linear
from edgenet.nn import BinaryRNNLayer, last_step, mask_steps, step_mask
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

    holding_input: Tensor | None

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

        self.register_buffer("holding_input", _holding_input(layer))

    def forward(self, x: Tensor, initial: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        u = self.input(x)
        if lengths is None:
            states, *final = self.hidden(u, initial)
        else:
            if self.holding_input is not None:
                u = torch.where(step_mask(lengths, u.shape[0]).unsqueeze(2), u, self.holding_input)
            states, *final = self.hidden(u, initial)
            final[0] = last_step(states, lengths, time=0)
        return self.cell.output(states), tuple(final)


def _holding_input(layer: BinaryRNNLayer) -> Tensor | None:
    """What the input half [gates * H] is at padding, where the final state is no step of the output, as a cell's is."""
    values = layer.cell.holding_input
    return torch.tensor(values).repeat_interleave(layer.hidden.in_features) if values else None


class PackedRNN(nn.Module):
    """A binary recurrent network; x, output and state have the shapes, and the state the form, that they had there.

    The reverse direction is an operator over the reversed sequence. Operators know no lengths: standard nodes round
    them take the last real step, hold a cell where it is from there on, and reverse each sequence within its length.
    """

    def __init__(self, rnn: BinaryRNNBase) -> None:
        super().__init__()
        self.batch_first, self.hidden_size, self.cell = rnn.batch_first, rnn.hidden_size, rnn.cell
        self.directions = rnn.directions
        self.layers = nn.ModuleList(PackedRNNLayer(layer) for layer in rnn.rows())

    def forward(
        self, x: Tensor, state: Tensor | State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | State]:
        x = x.transpose(0, 1) if self.batch_first else x
        if state is None:
            state = (x.new_zeros(len(self.layers), x.shape[1], self.hidden_size),) * self.cell.states
        tensors = (state,) if isinstance(state, Tensor) else state
        final: list[State] = []
        outputs: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            reverse = index % self.directions == 1
            initial = tuple(tensor[index] for tensor in tensors)
            output, last = layer(_reversed(x, lengths) if reverse else x, initial, lengths)
            outputs.append(_reversed(output, lengths) if reverse else output)
            final.append(last)
            if len(outputs) == self.directions:
                x = mask_steps(torch.cat(outputs, 2) if reverse else output, lengths, time=0)
                outputs = []
        stacked = tuple(torch.stack(parts) for parts in zip(*final, strict=True))
        return (x.transpose(0, 1) if self.batch_first else x), stacked if self.cell.states > 1 else stacked[0]


def _reversed(x: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return x.flip(0)
    return standard_node("ReverseSequence", [x, lengths], x.shape, x.dtype, time_axis=0, batch_axis=1)
