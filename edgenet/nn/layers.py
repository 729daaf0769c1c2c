"""Convolution and linear layer with 1-bit weights (`bwn`) or 1-bit weights and activations (`xnor`)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.nn.activation_scale import row_scale, scale_map
from edgenet.nn.drop_in import DropIn, DropInConv1d, DropInConv2d, DropInConvolution, DropInLinear
from edgenet.nn.estimators import Estimator, get_estimator
from edgenet.nn.functional import (
    FLOAT_SUM_LIMIT,
    INT8_LIMIT,
    mean_magnitude,
    quantize_int8,
    scaled_sign,
    sign,
    stochastic_sign,
)

BINARY_SCHEMES = ("bwn", "xnor")
SCALES = ("mean", "learnable")
ACTIVATIONS = ("fp32", "int8")
INT8_ROW_LIMIT = FLOAT_SUM_LIMIT // INT8_LIMIT


class BinaryLayer(DropIn):
    """What the binary layers have in common.

    `weight` holds the latent weights, floats that training updates; `binary_weight()` their signs, which inference
    uses; `scaling_factor()` one factor per output; `threshold` one value per input, or None.
    """

    weight: Tensor
    threshold: nn.Parameter | None
    scale: nn.Parameter | None
    scheme: str
    scale_kind: str
    estimator: Estimator
    weight_estimator: Estimator
    activation_scale: bool
    stochastic: bool
    trains_mean_scale: bool = True
    """Whether the gradient also goes through the mean of the latent weights' magnitudes; False where a normalisation
    by statistics that follow would take back what the mean has gained."""
    float_weights: bool = False
    """Whether training multiplies with the latent weights themselves, as in the first of two steps, where activations
    alone are binary; inference never does."""

    def _make_binary(
        self, inputs: int, scheme: str, estimator: str | Estimator, weight_estimator: str | Estimator, scale: str,
        threshold: bool, activation_scale: bool = False, stochastic: bool = False,
    ) -> None:  # fmt: skip
        if scheme not in BINARY_SCHEMES:
            raise EdgenetError(f"unknown scheme {scheme!r} of a binary layer: use 'bwn' or 'xnor'")
        if scale not in SCALES:
            raise EdgenetError(f"unknown scale {scale!r} of a binary layer: use 'mean' or 'learnable'")
        if activation_scale and scheme != "xnor":
            raise EdgenetError(f"a binary layer of scheme {scheme!r} has float activations, which have no scales")
        self.scheme = scheme
        self.scale_kind = scale
        self.activation_scale = activation_scale
        self.stochastic = stochastic
        self.estimator = get_estimator(estimator)
        self.weight_estimator = get_estimator(weight_estimator)
        has_threshold = scheme == "xnor" and threshold
        self.register_parameter("threshold", nn.Parameter(self.weight.new_zeros(inputs)) if has_threshold else None)
        factors = nn.Parameter(mean_magnitude(self.weight).detach().clone()) if scale == "learnable" else None
        self.register_parameter("scale", factors)

    def binary_weight(self) -> Tensor:
        """Signs of the latent weights: +1 and -1, of the weight's shape."""
        return sign(self.weight, self.weight_estimator)

    def scaling_factor(self) -> Tensor:
        """Factor per output [O]: mean |latent weight| of the output, or the learnable one."""
        return mean_magnitude(self.weight) if self.scale is None else self.scale

    def scaled_weight(self) -> Tensor:
        """`scaling_factor * binary_weight`, as training uses it: one pass over the weights, none over the outputs.

        The latent weights where `float_weights` is set.
        """
        if self.float_weights:
            return self.weight
        held = self.scale is None and not self.trains_mean_scale
        scale = mean_magnitude(self.weight).detach() if held else self.scale
        return scaled_sign(self.weight, scale, self.weight_estimator)

    def binary_input(self, x: Tensor, threshold: Tensor | None) -> Tensor:
        """`sign(x >= threshold)` for `xnor`, drawn in training where the layer is stochastic; x itself for `bwn`."""
        if self.scheme != "xnor":
            return x
        return (stochastic_sign if self.stochastic and self.training else sign)(x, self.estimator, threshold)

    @torch.no_grad()
    def adopt(self, layer: nn.Module) -> None:
        super().adopt(layer)
        if self.scale is not None:
            self.scale.copy_(mean_magnitude(self.weight))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        # Weights of a float layer bring no factor; the one from initialisation would not belong to them.
        if self.scale is not None and f"{prefix}scale" not in state_dict and f"{prefix}weight" in state_dict:
            with torch.no_grad():
                self.scale.copy_(mean_magnitude(self.weight))

    def _binary_repr(self) -> str:
        scaled = ", activation_scale=True" if self.activation_scale else ""
        name = self.estimator.name or self.estimator
        return f", scheme={self.scheme}, estimator={name}, scale={self.scale_kind}{scaled}"


class BinaryConvolution(BinaryLayer, DropInConvolution):
    """What binary convolutions over images and sequences have in common."""

    activations: str

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1, padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1, groups: int = 1, bias: bool = True, *,
        scheme: str = "xnor", estimator: str | Estimator = "approx_sign", weight_estimator: str | Estimator = "ste",
        scale: str = "mean", threshold: bool = True, activations: str = "fp32", activation_scale: bool = False,
        stochastic: bool = False,
        device: torch.device | str | None = None, dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        convolution: Any = super()  # torch's, next in line
        convolution.__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, device=device, dtype=dtype
        )
        self._make_binary(
            in_channels, scheme, estimator, weight_estimator, scale, threshold, activation_scale, stochastic
        )
        self.activations = activations
        self._check_activations()

    def _check_activations(self) -> None:
        if self.activations not in ACTIVATIONS:
            raise EdgenetError(f"unknown activations {self.activations!r} of a binary layer: use 'fp32' or 'int8'")
        if self.activations == "int8" and self.scheme != "bwn":
            raise EdgenetError(
                f"a binary layer of scheme {self.scheme!r} has 1-bit activations, so they cannot be int8"
            )
        row = self.weight[0].numel()
        if self.activations == "int8" and row > INT8_ROW_LIMIT:
            raise EdgenetError(f"int8 activations take at most {INT8_ROW_LIMIT:,} weights an output, these are {row:,}")

    def forward(self, x: Tensor) -> Tensor:
        seen, step = self._seen(x)
        if self.training:
            bias = None if self.activation_scale else self.bias
            y = self._conv_forward(seen if step is None else seen * step, self.scaled_weight(), bias)
            return self._scaled(y, x) if self.activation_scale else y
        # Inference keeps the sum of whole numbers apart from the factor: it is exact, on every path.
        factor = self.by_channel(self.scaling_factor())
        y = self._conv_forward(seen, self.binary_weight(), None) * (factor if step is None else factor * step)
        return self._scaled(y, x)

    def _scaled(self, y: Tensor, x: Tensor) -> Tensor:
        """What is left to do to the scaled sums: the scales of the activations, and the bias."""
        y = y * scale_map(x, self._thresholds(), self) if self.activation_scale else y
        return y if self.bias is None else y + self.by_channel(self.bias)

    def _thresholds(self) -> Tensor | None:
        return None if self.threshold is None else self.by_channel(self.threshold)

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the weights are multiplied with, and for 8-bit activations the step that it is in."""
        if self.activations == "int8":
            return quantize_int8(x, self.sample_axes())
        return self.binary_input(x, self._thresholds()), None

    def extra_repr(self) -> str:
        activations = ", activations=int8" if self.activations == "int8" else ""
        return super().extra_repr() + self._binary_repr() + activations


class BinaryConv2d(BinaryConvolution, DropInConv2d):
    """Drop-in for `torch.nn.Conv2d` with 1-bit weights (`bwn`) and, for `xnor`, 1-bit activations.

    xnor: `y[o] = scale[o] * conv(sign(x >= threshold[c]), sign(weight))[o] + bias[o]`;
    bwn: `y[o] = scale[o] * conv(x, sign(weight))[o] + bias[o]`. A padded position counts as 0, neither +1 nor -1.

    x [N, C, H, W] or [C, H, W]; weight [O, C / groups, kh, kw]; threshold [C]; scale, bias [O]. `estimator` is the
    gradient of the activations' sign, `weight_estimator` that of the weights'; `scale` is "mean" (of the latent
    weights' magnitudes) or "learnable". `activations` "int8" has a bwn convolution see 8-bit activations: `q * step`
    with `q = round(x / step)` and `step` = max |x| / 127, of each image by itself; the rounding passes gradients on.
    `activation_scale` has an xnor convolution multiply its sums with how large the activations were,
    `y[o] = scale[o] * conv(...)[o] * K + bias[o]`, K as `edgenet.nn.activation_scale.scale_map` has it.
    `stochastic` has training draw the signs of the activations (`edgenet.nn.functional.stochastic_sign`).
    Raises EdgenetError for an unknown scheme, scale, estimator or activations, for int8 ones where activations are
    1-bit or an output has more than 132,104 weights, whose sums a float32 would not hold, and for scales of activations
    that are float.
    Source: Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279.
    """


class BinaryConv1d(BinaryConvolution, DropInConv1d):
    """Drop-in for `torch.nn.Conv1d`, over sequences [N, C, L] or [C, L]; weight [O, C / groups, k].

    All else as `BinaryConv2d` does to images of one row, which is what an exported file computes.
    """


class BinaryLinear(BinaryLayer, DropInLinear):
    """Drop-in for `torch.nn.Linear` with 1-bit weights (`bwn`) and, for `xnor`, 1-bit activations.

    xnor: `y[o] = scale[o] * sum(sign(weight[o]) * sign(x >= threshold)) + bias[o]`;
    bwn: `y[o] = scale[o] * sum(sign(weight[o]) * x) + bias[o]`.

    x [..., K]; weight [O, K]; threshold [K]; scale, bias [O]. Options and errors as for `BinaryConv2d`; activations of
    a row have one scale, `edgenet.nn.activation_scale.row_scale`.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *,
        scheme: str = "xnor", estimator: str | Estimator = "approx_sign", weight_estimator: str | Estimator = "ste",
        scale: str = "mean", threshold: bool = True, activation_scale: bool = False,
        stochastic: bool = False,
        device: torch.device | str | None = None, dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        nn.Linear.__init__(self, in_features, out_features, bias, device=device, dtype=dtype)
        self._make_binary(
            in_features, scheme, estimator, weight_estimator, scale, threshold, activation_scale, stochastic
        )

    def forward(self, x: Tensor) -> Tensor:
        signs = self.binary_input(x, self.threshold)
        if self.training and not self.activation_scale:
            return F.linear(signs, self.scaled_weight(), self.bias)
        if self.training:
            y = F.linear(signs, self.scaled_weight())
        else:
            y = F.linear(signs, self.binary_weight()) * self.scaling_factor()
        y = y * row_scale(x, self.threshold) if self.activation_scale else y
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return super().extra_repr() + self._binary_repr()
