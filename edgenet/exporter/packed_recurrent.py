"""What recurrent layers become for export: one node for the input half of all steps and one for the recurrence."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgenet.exporter.functions import OPSET
from edgenet.exporter.packed import PackedLayer, PackedLinear, node
from edgenet.nn import BinaryRNN, BinaryRNNLayer


class PackedRecurrence(PackedLayer):
    """`XnorRecurrence` or `BwnRecurrence`: u [T, N, H], initial [N, H] -> p [T, N, H], final [N, H]."""

    def forward(self, u: Tensor, initial: Tensor) -> Sequence[Tensor]:
        attributes = {"weight_shape": self.weight_shape}
        shapes = [list(u.shape), list(initial.shape)]
        return node(f"{self.prefix}Recurrence", self._operands(u, initial), attributes, shapes)


class PackedRNNLayer(nn.Module):
    """One layer of `BinaryRNN`: a linear input half for all steps at once, then the recurrence."""

    def __init__(self, layer: BinaryRNNLayer) -> None:
        super().__init__()
        p = layer.inference_parameters()
        self.input: nn.Module
        if p.input_scheme == "full":
            self.input = nn.Linear(p.input_weight.shape[1], p.input_weight.shape[0])
            with torch.no_grad():
                self.input.weight.copy_(p.input_weight * p.input_scale.unsqueeze(1))
                self.input.bias.copy_(p.input_bias)
        else:
            self.input = PackedLinear(p.input_weight, p.input_scale, p.input_bias, p.input_threshold, p.input_scheme)
        self.hidden = PackedRecurrence(p.hidden_weight, p.hidden_scale, None, p.hidden_threshold, p.scheme)

    def forward(self, x: Tensor, initial: Tensor) -> Sequence[Tensor]:
        return self.hidden(self.input(x), initial)


class PackedRNN(nn.Module):
    """`BinaryRNN`: x [T, N, I] (batch first where the layer was), state [layers, N, H] of pre-activations."""

    def __init__(self, rnn: BinaryRNN) -> None:
        super().__init__()
        self.batch_first, self.hidden_size, self.num_layers = rnn.batch_first, rnn.hidden_size, rnn.num_layers
        self.layers = nn.ModuleList(PackedRNNLayer(layer) for layer in rnn.rows())

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.batch_first:
            x = x.transpose(0, 1)
        if state is None:
            state = x.new_zeros(self.num_layers, x.shape[1], self.hidden_size)
        states = []
        for index, layer in enumerate(self.layers):
            p, final = layer(x, state[index])
            states.append(final)
            x = torch.tanh(p)
        return (x.transpose(0, 1) if self.batch_first else x), torch.stack(states)


class StandardRNNLayer(nn.Module):
    """One layer of `torch.nn.RNN` as one standard `RNN` node, instead of a graph unrolled over the steps."""

    def __init__(self, rnn: nn.RNN, index: int) -> None:
        super().__init__()
        self.hidden_size, self.directions = rnn.hidden_size, 2 if rnn.bidirectional else 1
        self.activation = rnn.nonlinearity.capitalize()
        suffixes = [f"l{index}{direction}" for direction in ("", "_reverse")[: self.directions]]
        names = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if rnn.bias else ()))
        stacked = [torch.stack([getattr(rnn, f"{name}_{suffix}").detach() for suffix in suffixes]) for name in names]
        self.weight: Tensor
        self.recurrent_weight: Tensor
        self.bias: Tensor | None
        self.register_buffer("weight", stacked[0])
        self.register_buffer("recurrent_weight", stacked[1])
        self.register_buffer("bias", torch.cat(stacked[2:], 1) if rnn.bias else None)

    def forward(self, x: Tensor, initial: Tensor | None) -> tuple[Tensor, Tensor]:
        attributes = {
            "hidden_size": self.hidden_size,
            "activations": [self.activation] * self.directions,
            "direction": "forward" if self.directions == 1 else "bidirectional",
        }
        shapes = [
            [x.shape[0], self.directions, x.shape[1], self.hidden_size],
            [self.directions, x.shape[1], self.hidden_size],
        ]
        operands: list[Tensor | None] = [x, self.weight, self.recurrent_weight, self.bias, None, initial]
        while operands[-1] is None:
            operands.pop()
        y, final = node("RNN", operands, attributes, shapes, domain="", version=OPSET)
        if self.directions == 1:
            return y.squeeze(1), final
        return y.transpose(1, 2).flatten(2), final


class StandardRNN(nn.Module):
    """`torch.nn.RNN`: x [T, N, I] (batch first where the layer was), state [layers * directions, N, H]."""

    def __init__(self, rnn: nn.RNN) -> None:
        super().__init__()
        self.batch_first, self.directions = rnn.batch_first, 2 if rnn.bidirectional else 1
        self.layers = nn.ModuleList(StandardRNNLayer(rnn, index) for index in range(rnn.num_layers))

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.batch_first:
            x = x.transpose(0, 1)
        states = []
        for index, layer in enumerate(self.layers):
            first = index * self.directions
            x, final = layer(x, None if state is None else state[first : first + self.directions])
            states.append(final)
        return (x.transpose(0, 1) if self.batch_first else x), torch.cat(states)
