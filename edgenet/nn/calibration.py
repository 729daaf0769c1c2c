"""Set thresholds and normalisation statistics of a binary model from one batch of real inputs."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from edgenet.errors import EdgenetError
from edgenet.nn.layers import BinaryConvolution, BinaryLayer
from edgenet.nn.recurrent_layer import BinaryRNNLayer
from edgenet.nn.running_norm import RunningNorm

# An input whose sign is the same this often carries next to nothing: what ReLU hands on is +1 always.
ONE_SIDED_SHARE = 0.95
# The hidden statistics of a recurrent layer depend on themselves; a few rounds settle them.
RECURRENT_PASSES = 4


class BinarizationWarning(UserWarning):
    """The binarised model will work, but likely not as well as it could."""


@torch.no_grad()
def calibrate(model: nn.Module, batch: Tensor | tuple[Any, ...], *, gains: bool = False) -> dict[str, int]:
    """Run `batch` through the model once and fit what depends on the data; nothing is trained.

    - Thresholds of xnor layers: where an input channel has the same sign in more than 95 % of places (after ReLU), its
      threshold becomes its mean. Layers are set in the order of the data flow, each from what the calibrated layers
      before it hand on.
    - Running statistics of batch normalisation become those of the batch.
    - `gains`, where the latent weights are those of a trained float network: gains and biases of recurrent layers make
      their normalised halves come closest to what that network computed (`BinaryRNNLayer.fit_gains`). Gains of 1 would
      change what its gates do: they see values of another size and without their means. For layers that the model
      calls with whole sequences.

    `batch` is the model's input, or a tuple of its arguments. Returns, by layer name, how many input channels of each
    xnor layer were one-sided, and notes it in `model.binarization_report`. Warns (BinarizationWarning) where a layer
    with one-sided input has no thresholds.
    Raises EdgenetError where the batch is too small for batch normalisation.
    """
    arguments = batch if isinstance(batch, tuple) else (batch,)
    one_sided: dict[str, int] = {}
    layers = {n: m for n, m in model.named_modules() if isinstance(m, BinaryLayer) and m.scheme == "xnor"}
    hooks = [layer.register_forward_pre_hook(_threshold_hook(name, one_sided)) for name, layer in layers.items()]
    try:
        with _statistics_mode(model) as recurrent:
            try:
                model(*arguments)
                for _ in range(RECURRENT_PASSES - 1 if recurrent else 0):
                    model(*arguments)
            except ValueError as error:
                if "more than 1 value per channel" not in str(error):
                    raise
                raise EdgenetError("the calibration batch is too small: give at least 2 samples") from error
    finally:
        for hook in hooks:
            hook.remove()
    if gains:
        _fit_gains(model, arguments)
    lost = [name for name, channels in one_sided.items() if channels and layers[name].threshold is None]
    if lost:
        others = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        warnings.warn(
            f"sign() gets one-sided input, as after ReLU, and has no thresholds in {lost[0]}{others}: nearly all of it "
            "becomes the same sign; binarize with threshold=True",
            BinarizationWarning,
            stacklevel=3,
        )
    report = getattr(model, "binarization_report", None)
    if report is not None:
        report.note_thresholds(model, one_sided)
    return one_sided


def _fit_gains(model: nn.Module, arguments: tuple[Any, ...]) -> None:
    """Fit the recurrent layers in the order of the data flow, again and again: what one hands on changes the next."""
    layers = [module for module in model.modules() if isinstance(module, BinaryRNNLayer)]
    biases = {
        layer: [None if bias is None else bias.clone() for bias in (layer.input_norm.bias, layer.hidden_bias)]
        for layer in layers
    }

    def fit(layer: BinaryRNNLayer, inputs: tuple[Any, ...], outputs: tuple[Tensor, Any]) -> None:
        x, initial, mask = (*inputs, None)[:3]
        of_input, of_hidden = layer.fit_gains(x, initial, mask, outputs[0])
        into_input, into_hidden = layer.cell.split_bias(of_hidden)
        # From the biases of the float network: each pass begins with them anew.
        for bias, first, mean in zip(
            (layer.input_norm.bias, layer.hidden_bias), biases[layer], (of_input + into_input, into_hidden), strict=True
        ):
            if bias is not None and first is not None and mean is not None:
                bias.copy_(first + mean)

    hooks = [layer.register_forward_hook(fit) for layer in layers]
    try:
        with _inference_mode(model):
            for _ in range(RECURRENT_PASSES if layers else 0):
                model(*arguments)
    finally:
        for hook in hooks:
            hook.remove()


def _threshold_hook(name: str, found: dict[str, int]) -> Any:
    def fit(layer: BinaryLayer, inputs: tuple[Tensor, ...]) -> None:
        if name in found:
            return
        channel = inputs[0].dim() - 1 - (layer.axes if isinstance(layer, BinaryConvolution) else 0)
        values = inputs[0].movedim(channel, 0).flatten(1)
        threshold = values.new_zeros(len(values)) if layer.threshold is None else layer.threshold
        positive = (values >= threshold.unsqueeze(1)).float().mean(1)
        one_sided = (positive - 0.5).abs() > ONE_SIDED_SHARE - 0.5
        if layer.threshold is not None:
            layer.threshold.copy_(torch.where(one_sided, values.mean(1), threshold))
        found[name] = int(one_sided.sum())

    return fit


@contextmanager
def _inference_mode(model: nn.Module) -> Iterator[None]:
    """Every part in inference mode, and then in the mode that it had before."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


@contextmanager
def _statistics_mode(model: nn.Module) -> Iterator[bool]:
    """Everything in inference mode but the normalisations, which take the batch's statistics as theirs."""
    momenta: dict[nn.Module, float | None] = {}
    with _inference_mode(model):
        for module in model.modules():
            if isinstance(module, RunningNorm) or (isinstance(module, _BatchNorm) and module.track_running_stats):
                momenta[module] = module.momentum
                module.train().momentum = 1.0
        try:
            yield any(isinstance(module, RunningNorm) for module in momenta)
        finally:
            for module, momentum in momenta.items():
                module.momentum = momentum  # type: ignore[assignment]
