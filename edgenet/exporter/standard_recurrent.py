"""What float recurrent layers become for export: one standard node a layer, instead of a graph unrolled over steps."""

from typing import Any

import torch
from torch import Tensor, nn

from edgenet.exporter.functions import OPSET
from edgenet.exporter.packed import node

State = tuple[Tensor, ...]

# Where ONNX's gates are found in torch's: LSTM i, f, g, o -> i, o, f, g; GRU r, z, n -> z, r, n.
_GATE_ORDER: dict[type[nn.RNNBase], list[int]] = {nn.RNN: [0], nn.LSTM: [0, 3, 1, 2], nn.GRU: [1, 0, 2]}


class StandardRNNLayer(nn.Module):
    """One layer of `torch.nn.RNN`, `LSTM` or `GRU` as one standard node of that name."""

    def __init__(self, rnn: nn.RNNBase, index: int) -> None:
        super().__init__()
        self.operator = type(rnn).__name__
        self.directions = 2 if rnn.bidirectional else 1
        self.states = 2 if isinstance(rnn, nn.LSTM) else 1
        self.attributes: dict[str, Any] = {
            "hidden_size": rnn.hidden_size,
            "direction": "bidirectional" if rnn.bidirectional else "forward",
        }
        if isinstance(rnn, nn.RNN):
            self.attributes["activations"] = [rnn.nonlinearity.capitalize()] * self.directions
        if isinstance(rnn, nn.GRU):
            self.attributes["linear_before_reset"] = 1
        order = _GATE_ORDER[type(rnn)]
        suffixes = [f"l{index}{direction}" for direction in ("", "_reverse")[: self.directions]]
        names = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if rnn.bias else ()))
        stacked = [
            torch.stack([_reordered(getattr(rnn, f"{name}_{suffix}").detach(), order) for suffix in suffixes])
            for name in names
        ]
        self.weight: Tensor
        self.recurrent_weight: Tensor
        self.bias: Tensor | None
        self.register_buffer("weight", stacked[0])
        self.register_buffer("recurrent_weight", stacked[1])
        self.register_buffer("bias", torch.cat(stacked[2:], 1) if rnn.bias else None)

    def forward(self, x: Tensor, initial: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        """x [T, N, I], state of tensors [directions, N, H] -> output [T, N, directions * H], final state."""
        hidden_size = self.attributes["hidden_size"]
        state_shape = [self.directions, x.shape[1], hidden_size]
        shapes = [[x.shape[0], self.directions, x.shape[1], hidden_size], *[state_shape] * self.states]
        operands: list[Tensor | None] = [x, self.weight, self.recurrent_weight, self.bias, lengths, *(initial or ())]
        while operands[-1] is None:
            operands.pop()
        y, *final = node(self.operator, operands, self.attributes, shapes, domain="", version=OPSET)
        return y.squeeze(1) if self.directions == 1 else y.transpose(1, 2).flatten(2), tuple(final)


class StandardRNN(nn.Module):
    """`torch.nn.RNN`, `LSTM` or `GRU`; x, output and state have the shapes, and the state the form, of torch."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.batch_first, self.directions = rnn.batch_first, 2 if rnn.bidirectional else 1
        self.layers = nn.ModuleList(StandardRNNLayer(rnn, index) for index in range(rnn.num_layers))

    def forward(
        self, x: Tensor, state: Tensor | State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | State]:
        x = x.transpose(0, 1) if self.batch_first else x
        lengths = None if lengths is None else lengths.to(torch.int32)
        tensors = (state,) if isinstance(state, Tensor) else state
        final = []
        for index, layer in enumerate(self.layers):
            rows = slice(index * self.directions, (index + 1) * self.directions)
            x, last = layer(x, None if tensors is None else tuple(tensor[rows] for tensor in tensors), lengths)
            final.append(last)
        joined = tuple(torch.cat(parts) for parts in zip(*final, strict=True))
        return (x.transpose(0, 1) if self.batch_first else x), joined if len(joined) > 1 else joined[0]


def has_standard_node(rnn: nn.RNNBase) -> bool:
    """Whether ONNX has a node for it: for those of torch itself, but not with projections."""
    return type(rnn) in _GATE_ORDER and not rnn.proj_size


def _reordered(parameter: Tensor, order: list[int]) -> Tensor:
    gates = parameter.chunk(len(order))
    return torch.cat([gates[index] for index in order])
