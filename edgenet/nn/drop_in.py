"""What layers have in common that take the place of `torch.nn.Conv2d` and `torch.nn.Linear`, on the same parameters."""

from typing import Any, Self

import torch
from torch import nn


class DropIn(nn.Module):
    """A layer that can adopt the parameters of the float layer which it replaces."""

    @torch.no_grad()
    def adopt(self, layer: nn.Module) -> None:
        """Take over the parameters (the very objects), mode and device of a float layer as the latent weights."""
        self._parameters["weight"] = layer._parameters["weight"]
        if "bias" in self._parameters:
            self._parameters["bias"] = layer._parameters["bias"]
        self.train(layer.training)


class DropInConv2d(DropIn, nn.Conv2d):
    """A convolution with the geometry of `torch.nn.Conv2d`."""

    @classmethod
    def from_float(cls, layer: nn.Conv2d, **options: Any) -> Self:
        """The version of a float convolution, on the same parameters; options as in the constructor."""
        made = cls(
            layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation,  # type: ignore[arg-type]
            layer.groups, layer.bias is not None, device=layer.weight.device, dtype=layer.weight.dtype, **options,
        )  # fmt: skip
        made.adopt(layer)
        return made

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Padding as (top, left, bottom, right); "same" and "valid" are worked out."""
        left, right, top, bottom = self._reversed_padding_repeated_twice
        return top, left, bottom, right


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
