"""Convolution and linear layer with 8-bit weights and 8-bit activations, for the ends of a binary network."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.conv import _ConvNd

from edgenet.errors import EdgenetError
from edgenet.nn.drop_in import DropIn, DropInConv1d, DropInConv2d, DropInConvolution, DropInLinear
from edgenet.nn.functional import FLOAT_SUM_LIMIT, INT8_LIMIT, quantize_int8

CONVOLUTION_ROW_LIMIT = FLOAT_SUM_LIMIT // INT8_LIMIT**2
LINEAR_ROW_LIMIT = 2**31 // INT8_LIMIT**2


class Int8Layer(DropIn):
    """What the 8-bit layers have in common: `weight` holds floats that training updates, quantised at each use."""

    weight: Tensor

    def quantized_weight(self) -> tuple[Tensor, Tensor]:
        """Whole numbers from -127 to 127, of the weight's shape, and max |weight| / 127 of each output [O]."""
        weight, scale = quantize_int8(self.weight, tuple(range(1, self.weight.dim())))
        return weight, scale.flatten()


class Int8Convolution(Int8Layer, DropInConvolution):
    """What 8-bit convolutions over images and sequences have in common."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1, padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1, groups: int = 1, bias: bool = True, *,
        device: torch.device | str | None = None, dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        convolution: Any = super()  # torch's, next in line
        convolution.__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, device=device, dtype=dtype
        )
        _check_row(self, CONVOLUTION_ROW_LIMIT)

    def forward(self, x: Tensor) -> Tensor:
        x, step = quantize_int8(x, self.sample_axes())
        weight, scale = self.quantized_weight()
        y = self._conv_forward(x, weight, None) * (self.by_channel(scale) * step)
        return y if self.bias is None else y + self.by_channel(self.bias)


class Int8Conv2d(Int8Convolution, DropInConv2d):
    """Drop-in for `torch.nn.Conv2d` with 8-bit weights and 8-bit activations.

    `y[o] = (scale[o] * step) * conv(round(x / step), round(weight[o] / scale[o])) + bias[o]`, where `scale[o]` is
    max |weight[o]| / 127 and `step`, of each image by itself, max |x| / 127. The sums are whole numbers, exact in
    training as at inference; both roundings pass gradients on as they come (straight through).

    x [N, C, H, W] or [C, H, W]; weight [O, C / groups, kh, kw]; bias [O]. Raises EdgenetError for more than 1,040
    weights an output, whose sums a float32 would not hold. Source: Jacob et al. 2018, arXiv:1712.05877, section 3.
    """


class Int8Conv1d(Int8Convolution, DropInConv1d):
    """Drop-in for `torch.nn.Conv1d`, over sequences [N, C, L] or [C, L]; all else as `Int8Conv2d`."""


class Int8Linear(Int8Layer, DropInLinear):
    """Drop-in for `torch.nn.Linear` with 8-bit weights and 8-bit activations, as `Int8Conv2d`, each row of x by itself.

    x [..., K]; weight [O, K]; bias [O]. Raises EdgenetError for a K above 133,144, whose sums 32 bits would not hold.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *,
        device: torch.device | str | None = None, dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__(in_features, out_features, bias, device=device, dtype=dtype)
        _check_row(self, LINEAR_ROW_LIMIT)

    def forward(self, x: Tensor) -> Tensor:
        x, step = quantize_int8(x, (-1,))
        weight, scale = self.quantized_weight()
        y = integer_linear(x, weight) * (scale * step)
        return y if self.bias is None else y + self.bias


def integer_linear(x: Tensor, weight: Tensor) -> Tensor:
    """`x @ weight.T` of 8-bit whole numbers kept as floats: the exact sums, rounded once."""
    if x.shape[-1] <= CONVOLUTION_ROW_LIMIT:
        return F.linear(x, weight)
    return F.linear(x.double(), weight.double()).to(x.dtype)


def row_limit(layer: torch.nn.Module) -> int:
    """How many weights an output the 8-bit version of a convolution or linear layer may have."""
    return CONVOLUTION_ROW_LIMIT if isinstance(layer, _ConvNd) else LINEAR_ROW_LIMIT


def _check_row(layer: Int8Layer, limit: int) -> None:
    row = layer.weight[0].numel()
    if row > limit:
        raise EdgenetError(f"{type(layer).__name__} takes at most {limit:,} weights an output, these are {row:,}")
