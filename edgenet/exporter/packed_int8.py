"""What 8-bit layers become for export: one node each, with int8 weights."""

import torch
from torch import Tensor, nn

from edgenet.exporter.packed import Geometry, node
from edgenet.nn import Int8Linear
from edgenet.nn.int8 import Int8Convolution


class PackedInt8Layer(nn.Module):
    """The tensors of an 8-bit operator: weight int8 [O, ...], scale and bias [O]."""

    weight: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        """`weight` holds whole numbers from -127 to 127."""
        super().__init__()
        self.register_buffer("weight", weight.detach().to(torch.int8))
        self.register_buffer("scale", scale.detach().clone())
        self.register_buffer("bias", torch.zeros(len(weight)) if bias is None else bias.detach().clone())

    def _operands(self, x: Tensor) -> list[Tensor]:
        return [x, self.weight, self.scale, self.bias]


class PackedInt8Convolution(PackedInt8Layer):
    """`Int8Conv2d` and `Int8Conv1d`."""

    def __init__(self, layer: Int8Convolution) -> None:
        weight, scale = layer.quantized_weight()
        geometry = Geometry.of(layer)
        super().__init__(weight.view(geometry.weight_shape), scale, layer.bias)
        self.geometry, self.axes = geometry, layer.axes

    def forward(self, x: Tensor) -> Tensor:
        return self.geometry.convolve("Int8Conv2d", self._operands(x), self.axes)


class PackedInt8Linear(PackedInt8Layer):
    """`Int8Linear`."""

    @classmethod
    def of(cls, layer: Int8Linear) -> "PackedInt8Linear":
        return cls(*layer.quantized_weight(), layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        weight_shape = list(self.weight.shape)
        return node(
            "Int8Linear", self._operands(x), {"weight_shape": weight_shape}, [[*x.shape[:-1], weight_shape[0]]]
        )[0]
