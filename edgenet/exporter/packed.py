"""What layers become for export: modules that hold packed weights and stand for one ONNX node each."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgenet.exporter.functions import DOMAIN, OPERATOR_SET, OPSET
from edgenet.nn import BinaryLinear, pack_bits
from edgenet.nn.activation_scale import row_scale, scale_map
from edgenet.nn.drop_in import DropInConvolution
from edgenet.nn.layers import BinaryConvolution


def node(
    operator: str,
    operands: Sequence[Tensor | None],
    attributes: dict[str, Any],
    shapes: Sequence[Sequence[Any]],
    domain: str = DOMAIN,
    version: int = OPERATOR_SET,
    dtype: torch.dtype = torch.float32,
) -> Sequence[Tensor]:
    """The outputs, of the given type and shapes, of one ONNX node that torch's exporter writes as it is."""
    return torch.onnx.ops.symbolic_multi_out(
        f"{domain}::{operator}",
        operands,
        attributes,
        dtypes=[dtype] * len(shapes),
        shapes=shapes,
        version=version,
    )


def standard_node(
    operator: str, operands: Sequence[Tensor | None], shape: Sequence[Any], dtype: torch.dtype, **attributes: Any
) -> Tensor:
    """The output of one node of ONNX itself."""
    return node(operator, operands, attributes, [shape], domain="", version=OPSET, dtype=dtype)[0]


class PackedLayer(nn.Module):
    """The tensors of an `edgenet` operator: uint8 weight rows, scale, bias and, for xnor, threshold."""

    weight: Tensor
    scale: Tensor
    bias: Tensor
    threshold: Tensor | None
    late_bias: Tensor | None

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

    def _scale_activations(self, layer: BinaryConvolution | BinaryLinear, axes: int) -> None:
        """Leave the bias to `_scaled`, where the layer has scales of activations; `axes` follow the outputs' axis."""
        self.scales_activations = layer.activation_scale
        self.learns_thresholds = layer.threshold is not None
        late = self.scales_activations and layer.bias is not None
        self.register_buffer("late_bias", self.bias.clone().view(-1, *[1] * axes) if late else None)
        if late:
            self.bias.zero_()

    def _scaled(self, y: Tensor, scales: Tensor) -> Tensor:
        """The operator's sums multiplied with the scales of its activations, by standard nodes, and the bias."""
        y = y * scales
        return y if self.late_bias is None else y + self.late_bias

    def _operands(self, x: Tensor, last: Tensor) -> list[Tensor]:
        threshold = [] if self.threshold is None else [self.threshold]
        return [x, *threshold, self.weight, self.scale, last]


@dataclass(frozen=True)
class Geometry:
    """The attributes of a convolution's node. A sequence is an image of one row."""

    weight_shape: list[int]
    strides: list[int]
    pads: list[int]
    dilations: list[int]
    group: int

    @classmethod
    def of(cls, layer: DropInConvolution) -> "Geometry":
        outputs, inputs, *kernel = layer.weight.shape
        row = [1] * (2 - layer.axes)
        return cls(
            [outputs, inputs, *row, *kernel], [*row, *layer.stride], list(layer.pads), [*row, *layer.dilation],
            layer.groups,
        )  # fmt: skip

    def convolve(self, operator: str, operands: Sequence[Tensor], axes: int) -> Tensor:
        """The output of the operator's node, of a batch or of one sample, which is the first operand and has so many
        axes besides batch and channels."""
        x, *constants = operands
        images = x.unsqueeze(-2) if axes == 1 else x
        batched = images if images.dim() == 4 else images.unsqueeze(0)
        shape = [batched.shape[0], self.weight_shape[0], *(self._size(batched, axis) for axis in (0, 1))]
        y = node(operator, [batched, *constants], asdict(self), [shape])[0]
        y = y if images.dim() == 4 else y.squeeze(0)
        return y.squeeze(-2) if axes == 1 else y

    def _size(self, x: Tensor, axis: int) -> Any:
        covered = self.dilations[axis] * (self.weight_shape[2 + axis] - 1) + 1
        return (x.shape[2 + axis] + self.pads[axis] + self.pads[axis + 2] - covered) // self.strides[axis] + 1


class PackedConvolution(PackedLayer):
    """`XnorConv2d`, `BwnConv2d` or `BwnConv2dInt8`."""

    def __init__(self, layer: BinaryConvolution) -> None:
        super().__init__(
            layer.binary_weight(), layer.scaling_factor(), layer.bias, layer.threshold, layer.scheme, layer.groups
        )
        self.operator = f"{self.prefix}Conv2d{'Int8' if layer.activations == 'int8' else ''}"
        self.geometry = Geometry.of(layer)
        self._scale_activations(layer, layer.axes)
        self._layer = [layer]  # in a list, so that it is no part of this module

    def forward(self, x: Tensor) -> Tensor:
        layer = self._layer[0]
        y = self.geometry.convolve(self.operator, self._operands(x, self.bias), layer.axes)
        if not self.scales_activations:
            return y
        learnt = self.threshold is not None and self.learns_thresholds
        threshold = layer.by_channel(self.threshold) if learnt else None  # type: ignore[arg-type]
        return self._scaled(y, scale_map(x, threshold, layer))


class PackedLinear(PackedLayer):
    """`XnorLinear` or `BwnLinear`."""

    scales_activations = False

    @classmethod
    def of(cls, layer: BinaryLinear) -> "PackedLinear":
        packed = cls(layer.binary_weight(), layer.scaling_factor(), layer.bias, layer.threshold, layer.scheme)
        packed._scale_activations(layer, 0)
        return packed

    def forward(self, x: Tensor) -> Tensor:
        shape = [*x.shape[:-1], self.weight_shape[0]]
        attributes = {"weight_shape": self.weight_shape}
        y = node(f"{self.prefix}Linear", self._operands(x, self.bias), attributes, [shape])[0]
        if not self.scales_activations:
            return y
        return self._scaled(y, row_scale(x, self.threshold if self.learns_thresholds else None))
