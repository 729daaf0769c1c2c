"""What layers become for export: modules that hold packed weights and stand for one ONNX node each."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgenet.exporter.functions import DOMAIN, OPERATOR_SET, OPSET
from edgenet.nn import BinaryConv2d, BinaryLinear, BinaryRNN, BinaryRNNLayer, pack_bits


class PackedLayer(nn.Module):
    """The tensors of an `edgenet` operator: uint8 weight rows, scale, bias and, for xnor, threshold."""

    weight: Tensor
    scale: Tensor
    bias: Tensor
    threshold: Tensor | None

    def __init__(
        self, signs: Tensor, scale: Tensor, bias: Tensor | None, threshold: Tensor | None, scheme: str, groups: int = 1
    ) -> None:
        super().__init__()
        self.prefix = "Xnor" if scheme == "xnor" else "Bwn"
        self.weight_shape = list(signs.shape)
        if scheme == "xnor" and threshold is None:
            threshold = torch.zeros(signs.shape[1] * groups)
        tensors = {
            "weight": torch.from_numpy(pack_bits(signs.detach().numpy())),
            "scale": scale,
            "bias": torch.zeros(signs.shape[0]) if bias is None else bias,
            "threshold": threshold if scheme == "xnor" else None,
        }
        for name, tensor in tensors.items():
            self.register_buffer(name, None if tensor is None else tensor.detach().clone())

    def _operands(self, x: Tensor, last: Tensor) -> list[Tensor]:
        threshold = [] if self.threshold is None else [self.threshold]
        return [x, *threshold, self.weight, self.scale, last]


class PackedConv2d(PackedLayer):
    """`XnorConv2d` or `BwnConv2d`."""

    def __init__(self, layer: BinaryConv2d) -> None:
        super().__init__(
            layer.binary_weight(), layer.scaling_factor(), layer.bias, layer.threshold, layer.scheme, layer.groups
        )
        self.groups = layer.groups
        self.strides, self.pads, self.dilations = list(layer.stride), list(layer.pads), list(layer.dilation)

    def forward(self, x: Tensor) -> Tensor:
        batched = x if x.dim() == 4 else x.unsqueeze(0)
        attributes = {
            "weight_shape": self.weight_shape,
            "strides": self.strides,
            "pads": self.pads,
            "dilations": self.dilations,
            "group": self.groups,
        }
        shape = [batched.shape[0], self.weight_shape[0], *(self._size(batched, axis) for axis in (0, 1))]
        y = _node(f"{self.prefix}Conv2d", self._operands(batched, self.bias), attributes, [shape])[0]
        return y if x.dim() == 4 else y.squeeze(0)

    def _size(self, x: Tensor, axis: int) -> Any:
        covered = self.dilations[axis] * (self.weight_shape[2 + axis] - 1) + 1
        return (x.shape[2 + axis] + self.pads[axis] + self.pads[axis + 2] - covered) // self.strides[axis] + 1


class PackedLinear(PackedLayer):
    """`XnorLinear` or `BwnLinear`."""

    @classmethod
    def of(cls, layer: BinaryLinear) -> "PackedLinear":
        return cls(layer.binary_weight(), layer.scaling_factor(), layer.bias, layer.threshold, layer.scheme)

    def forward(self, x: Tensor) -> Tensor:
        shape = [*x.shape[:-1], self.weight_shape[0]]
        attributes = {"weight_shape": self.weight_shape}
        return _node(f"{self.prefix}Linear", self._operands(x, self.bias), attributes, [shape])[0]


class PackedRecurrence(PackedLayer):
    """`XnorRecurrence` or `BwnRecurrence`: u [T, N, H], initial [N, H] -> p [T, N, H], final [N, H]."""

    def forward(self, u: Tensor, initial: Tensor) -> Sequence[Tensor]:
        attributes = {"weight_shape": self.weight_shape}
        shapes = [list(u.shape), list(initial.shape)]
        return _node(f"{self.prefix}Recurrence", self._operands(u, initial), attributes, shapes)


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
        y, final = _node("RNN", operands, attributes, shapes, domain="", version=OPSET)
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


def _node(
    operator: str,
    operands: Sequence[Tensor | None],
    attributes: dict[str, Any],
    shapes: Sequence[Sequence[Any]],
    domain: str = DOMAIN,
    version: int = OPERATOR_SET,
) -> Sequence[Tensor]:
    return torch.onnx.ops.symbolic_multi_out(
        f"{domain}::{operator}",
        operands,
        attributes,
        dtypes=[torch.float32] * len(shapes),
        shapes=shapes,
        version=version,
    )


def pack_layers(model: nn.Module) -> nn.Module:
    """Replace, in place, every binary layer and Elman layer by its packed module; returns the model's new root."""
    return _pack(model, {}).eval()


def _pack(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    if module not in done:
        done[module] = _packed(module) or module
        if done[module] is module:
            for key, child in module._modules.items():
                if child is not None:
                    module._modules[key] = _pack(child, done)
    return done[module]


def _packed(module: nn.Module) -> nn.Module | None:
    if isinstance(module, BinaryConv2d):
        return PackedConv2d(module)
    if isinstance(module, BinaryLinear):
        return PackedLinear.of(module)
    if isinstance(module, BinaryRNN):
        return PackedRNN(module)
    if type(module) is nn.RNN:
        return StandardRNN(module)
    return None
