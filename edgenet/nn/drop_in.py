"""What layers have in common that take the place of torch's convolutions and linear layers, on the same parameters."""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd


class DropIn(nn.Module):
    """A layer that can adopt the parameters of the float layer which it replaces."""

    @torch.no_grad()
    def adopt(self, layer: nn.Module) -> None:
        """Take over the parameters (the very objects), mode and device of a float layer as the latent weights."""
        self._parameters["weight"] = layer._parameters["weight"]
        if "bias" in self._parameters:
            self._parameters["bias"] = layer._parameters["bias"]
        self.train(layer.training)


class DropInConvolution(DropIn, _ConvNd):
    """A convolution with the geometry of torch's, over images or sequences."""

    @classmethod
    def from_float(cls, layer: _ConvNd, **options: Any) -> Self:
        """The version of a float convolution, on the same parameters; options as in the constructor."""
        make: Any = cls  # its constructor is that of torch's layer
        made: Self = make(
            layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation,
            layer.groups, layer.bias is not None, device=layer.weight.device, dtype=layer.weight.dtype, **options,
        )  # fmt: skip
        made.adopt(layer)
        return made

    @property
    def axes(self) -> int:
        """How many axes the kernel moves along: 2 over images, 1 over sequences."""
        return len(self.kernel_size)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Padding as (top, left, bottom, right), a sequence being one row; "same" and "valid" are worked out."""
        left, right, top, bottom = (*self._reversed_padding_repeated_twice, 0, 0)[:4]
        return top, left, bottom, right

    def by_channel(self, values: Tensor) -> Tensor:
        """A value a channel [C], in the shape that meets a batch: [C, 1, 1] for images, [C, 1] for sequences."""
        return values.view(-1, *[1] * self.axes)

    def sample_axes(self) -> tuple[int, ...]:
        """The axes of one sample, channels first, counted from the last."""
        return tuple(range(-1 - self.axes, 0))


class DropInConv2d(DropInConvolution, nn.Conv2d):
    """A convolution with the geometry of `torch.nn.Conv2d`."""


class DropInConv1d(DropInConvolution, nn.Conv1d):
    """A convolution with the geometry of `torch.nn.Conv1d`."""


class DropInLinear(DropIn, nn.Linear):
    """A linear layer with the sizes of `torch.nn.Linear`."""

    @classmethod
    def from_float(cls, layer: nn.Linear, **options: Any) -> Self:
        """The version of a float linear layer, on the same parameters; options as in the constructor."""
        made = cls(
            layer.in_features, layer.out_features, layer.bias is not None,
            device=layer.weight.device, dtype=layer.weight.dtype, **options,
        )  # fmt: skip
        made.adopt(layer)
        return made
