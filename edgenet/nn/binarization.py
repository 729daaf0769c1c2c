"""binarize(): turn any torch model into its 1-bit version, and say what became of every layer."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from edgenet.errors import EdgenetError
from edgenet.nn.binarization_report import BinarizationReport, LayerRow
from edgenet.nn.calibration import BinarizationWarning, calibrate
from edgenet.nn.embeddings import BinaryEmbedding, Int8Embedding, reason_to_keep
from edgenet.nn.estimators import Estimator
from edgenet.nn.frozen import FROZEN, FrozenLayer
from edgenet.nn.int8 import LINEAR_ROW_LIMIT, Int8Conv1d, Int8Conv2d, Int8Layer, Int8Linear, row_limit
from edgenet.nn.layers import (
    ACTIVATIONS,
    BINARY_SCHEMES,
    INT8_ROW_LIMIT,
    BinaryConv1d,
    BinaryConv2d,
    BinaryLayer,
    BinaryLinear,
)
from edgenet.nn.recurrent import BINARY_VERSIONS

ENDS = ("fp32", "int8", "binary")
_CONVOLUTIONS: dict[type[nn.Module], tuple[type[BinaryConv1d | BinaryConv2d], type[Int8Conv1d | Int8Conv2d]]] = {
    nn.Conv1d: (BinaryConv1d, Int8Conv1d),
    nn.Conv2d: (BinaryConv2d, Int8Conv2d),
}
_WITH_BINARY_VERSION = (*_CONVOLUTIONS, nn.Linear, nn.Embedding, *BINARY_VERSIONS)
FilterFunction = Callable[[nn.Module, str], bool]
# A transition of DenseNet is the only way on from one block to the next, as a projection is round a block.
_SHORTCUT_NAMES = ("downsample", "shortcut", "skip", "projection", "residual", "transition")


@dataclass(frozen=True)
class _Plan:
    scheme: str
    ends: str
    activations: str
    embeddings: str
    activation_scale: bool
    options: dict[str, Any]


def binarize(
    model: nn.Module, scheme: str, *, ends: str = "int8", filter_fn: FilterFunction | None = None,
    calibration: Tensor | tuple[Any, ...] | str | None = None,
    estimator: str | Estimator = "approx_sign", weight_estimator: str | Estimator = "ste", scale: str = "mean",
    threshold: bool = True, activations: str = "fp32", embeddings: str | None = None, activation_scale: bool = False,
    stochastic: bool = False,
) -> BinarizationReport:  # fmt: skip
    """Replace the convolutions, linear layers, embeddings and recurrent networks of `model` by binary ones, in place.

    scheme
        "bwn": 1-bit weights; "xnor": 1-bit weights and activations.
    ends
        What becomes of the ends (first layer, last layer, 1x1 shortcut projections): "fp32" keeps them, "int8" gives
        them 8-bit weights and activations (`Int8Conv2d`, `Int8Linear`), "binary" 1-bit weights (scheme bwn: their
        inputs stay float). Shortcut projections are 1x1 convolutions whose name has a part that begins with
        downsample, shortcut, skip, projection, residual or transition.
    filter_fn
        `filter_fn(layer, name)`; a layer for which it is false is kept.
    calibration
        A batch of real inputs (or a tuple of the model's arguments). It tells in which order the layers run, sets the
        thresholds of layers whose input is one-sided, as after ReLU, and the statistics of batch normalisation (see
        `calibrate`). "later": you will call `calibrate` yourself. None: order of registration, and a warning for xnor.
    estimator, weight_estimator, scale, threshold, stochastic
        As in `BinaryConv2d`.
    activations
        Of convolutions with 1-bit weights (scheme bwn): "fp32", or "int8", which is faster.
    activation_scale
        Scheme xnor: multiply sums with how large the activations were (XNOR-Net's map K, see `BinaryConv2d`).
        Recurrent layers have no such scales: their activations are bounded by what squashes them.
    embeddings
        What becomes of embeddings: "fp32", "int8" or "binary"; None: as the ends. The first layer, of the ends, is the
        first that is no embedding.

    The layers' parameters stay the same objects and become the latent weights (recurrent networks are copied). The
    report is also left on the model as `model.binarization_report`. In your own training loop call
    `clip_latent_weights(model)` after each step, or once `clip_after_step(optimizer, model)`.

    Kept, with the reason in the report: depthwise convolutions, padding other than zeros, subclasses, shared or
    computed weights, ends with too many weights an output for 8 bits, and every other kind of layer that holds weights.
    Raises EdgenetError for an unknown scheme, ends, activations or embeddings, or where `model` is itself a single
    layer.
    """
    if scheme not in BINARY_SCHEMES:
        raise EdgenetError(f"unknown scheme {scheme!r}: binarize knows 'bwn' and 'xnor'")
    check_precision(ends, activations, embeddings)
    layers = _weight_layers(model)
    if "" in layers:
        raise EdgenetError("binarize works on a model in place: wrap a single layer in torch.nn.Sequential")
    has_batch = calibration is not None and not isinstance(calibration, str)
    order = _execution_order(model, layers, calibration) if has_batch else list(layers)
    plan = _Plan(scheme, ends, activations, embeddings or ends, activation_scale and scheme == "xnor", {
        "estimator": estimator, "weight_estimator": weight_estimator, "scale": scale, "threshold": threshold,
        "stochastic": stochastic,
    })  # fmt: skip
    report = BinarizationReport(scheme, ends, activations, embeddings or ends)
    multiplying = [name for name in order if not isinstance(layers[name], nn.Embedding)]
    ran = set(order)
    holders = _parameter_holders(layers)
    new_layers: dict[nn.Module, nn.Module] = {}
    for name in order + [name for name in layers if name not in ran]:
        layer = layers[name]
        kept = _reason_to_keep(model, name, layer, holders, filter_fn)
        if kept:
            report.layers += _keep(name, layer, kept)
            continue
        new_layers[layer], rows = _binary_version(name, layer, _end_role(name, layer, multiplying), plan)
        report.layers += rows
    _swap(model, new_layers)
    model.binarization_report = report  # type: ignore[assignment]
    if has_batch:
        calibrate(model, calibration)  # type: ignore[arg-type]
    _warn(report, calibration)
    return report


def check_precision(ends: str, activations: str, embeddings: str | None = None) -> None:
    """Raises EdgenetError for ends, activations or embeddings that `binarize` does not know."""
    if ends not in ENDS:
        raise EdgenetError(f"unknown ends {ends!r}: use 'fp32', 'int8' or 'binary'")
    if activations not in ACTIVATIONS:
        raise EdgenetError(f"unknown activations {activations!r}: use 'fp32' or 'int8'")
    if embeddings is not None and embeddings not in ENDS:
        raise EdgenetError(f"unknown embeddings {embeddings!r}: use 'fp32', 'int8' or 'binary'")


def _weight_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Layers that hold weights themselves (not vectors only, as normalisations do), by name; each once."""
    return {
        name: module
        for name, module in model.named_modules()
        if not isinstance(module, ParametrizationList) and _count(module)
    }


def _parameter_holders(layers: dict[str, nn.Module]) -> dict[int, list[str]]:
    """The layers that hold each parameter, by the parameter's id."""
    holders: dict[int, list[str]] = {}
    for name, layer in layers.items():
        for parameter in layer.parameters(recurse=False):
            holders.setdefault(id(parameter), []).append(name)
    return holders


@torch.no_grad()
def _execution_order(model: nn.Module, layers: dict[str, nn.Module], calibration: Any) -> list[str]:
    order: dict[str, None] = {}
    hooks = [
        layer.register_forward_pre_hook(lambda _module, _inputs, name=name: order.setdefault(name))
        for name, layer in layers.items()
    ]
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()(*(calibration if isinstance(calibration, tuple) else (calibration,)))
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in training.items():
            module.training = mode
    return list(order)


def _end_role(name: str, layer: nn.Module, order: list[str]) -> str:
    if order and name == order[0]:
        return "first layer"
    if order and name == order[-1]:
        return "last layer"
    is_pointwise = isinstance(layer, nn.Conv1d | nn.Conv2d) and set(layer.kernel_size) == {1}
    if is_pointwise and any(part.lower().startswith(_SHORTCUT_NAMES) for part in name.split(".")):
        return "1x1 shortcut projection"
    return ""


def _reason_to_keep(
    model: nn.Module, name: str, layer: nn.Module, holders: dict[int, list[str]], filter_fn: FilterFunction | None
) -> str:
    if isinstance(layer, FrozenLayer):
        return FROZEN
    if isinstance(layer, BinaryLayer):
        return "binary already"
    if isinstance(layer, Int8Layer | Int8Embedding):
        return "8-bit already"
    if type(layer) not in _WITH_BINARY_VERSION:
        base = next((kind for kind in _WITH_BINARY_VERSION if isinstance(layer, kind)), None)
        kind = type(layer).__name__
        return f"{kind} is a subclass of {base.__name__} with a life of its own" if base else f"no binary {kind}"
    if not isinstance(layer, nn.RNNBase) and "weight" not in layer._parameters:
        return "its weight is computed from other parameters"
    parent = model.get_submodule(name.rpartition(".")[0])
    if isinstance(parent, nn.TransformerEncoderLayer | nn.MultiheadAttention):
        return f"{type(parent).__name__} reads its weights past the layer"
    for parameter in layer.parameters():
        others = [other for other in holders.get(id(parameter), []) if other != name]
        if others:
            return f"shares its weights with {others[0]}"
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        if layer.padding_mode != "zeros":
            return f"padding mode {layer.padding_mode!r}: binary convolutions pad with zeros"
        if 1 < layer.in_channels == layer.groups:
            return "depthwise convolution: too few weights an output to be worth a bit"
    if isinstance(layer, nn.Embedding) and reason_to_keep(layer):
        return reason_to_keep(layer)
    if isinstance(layer, nn.RNNBase) and layer.proj_size:
        return f"{type(layer).__name__} with projections (proj_size) has no binary version"
    if isinstance(layer, nn.RNN) and layer.nonlinearity != "tanh":
        return f"RNN with {layer.nonlinearity}: binary Elman networks have tanh"
    if filter_fn is not None and not filter_fn(layer, name):
        return "filter_fn"
    return ""


def _count(layer: nn.Module) -> int:
    if isinstance(layer, FrozenLayer):
        return layer.weight.numel()
    parameters = layer.parameters(recurse=is_parametrized(layer))
    return sum(parameter.numel() for parameter in parameters if parameter.dim() > 1)


def _keep(name: str, layer: nn.Module, reason: str) -> list[LayerRow]:
    is_int8 = isinstance(layer, Int8Layer | Int8Embedding)
    scheme = layer.scheme if isinstance(layer, BinaryLayer) else "int8" if is_int8 else "full"
    action = "binarized" if isinstance(layer, FrozenLayer) else "kept"
    return [LayerRow(name, type(layer).__name__, action, scheme, reason, _count(layer))]


def _binary_version(name: str, layer: nn.Module, role: str, plan: _Plan) -> tuple[nn.Module, list[LayerRow]]:
    """What takes the layer's place, itself where it is kept as one of the ends, and its rows of the report."""
    if isinstance(layer, nn.RNNBase):
        return _binary_rnn(name, layer, role, plan)
    if isinstance(layer, nn.Embedding):
        return _binary_embedding(name, layer, plan)
    if role and plan.ends == "fp32":
        return layer, _keep(name, layer, role)
    if role and plan.ends == "int8":
        return _int8_version(name, layer, role)
    scheme = "bwn" if role else plan.scheme
    options = plan.options | {"activation_scale": plan.activation_scale and not role}
    binary: nn.Module
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        activations, note = _activations(layer, scheme, plan)
        binary = _CONVOLUTIONS[type(layer)][0].from_float(layer, scheme=scheme, activations=activations, **options)
    else:
        assert isinstance(layer, nn.Linear)
        note = ""
        binary = BinaryLinear.from_float(layer, scheme=scheme, **options)
    reason = ", ".join(part for part in (role, note) if part)
    return binary, [LayerRow(name, type(layer).__name__, "binarized", scheme, reason, _count(layer))]


def _activations(layer: nn.Conv1d | nn.Conv2d, scheme: str, plan: _Plan) -> tuple[str, str]:
    """The activations of a convolution that becomes binary, and what to say of them."""
    if plan.activations == "fp32" or scheme == "xnor":
        return "fp32", ""
    if layer.weight[0].numel() > INT8_ROW_LIMIT:
        return "fp32", f"fp32 activations: 8-bit ones take at most {INT8_ROW_LIMIT:,} weights an output"
    return "int8", "8-bit activations"


def _int8_version(name: str, layer: nn.Module, role: str) -> tuple[nn.Module, list[LayerRow]]:
    assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear)
    row, limit = layer.weight[0].numel(), row_limit(layer)
    if row > limit:
        return layer, _keep(name, layer, _too_many(role, row, limit))
    kind = Int8Linear if isinstance(layer, nn.Linear) else _CONVOLUTIONS[type(layer)][1]
    int8 = kind.from_float(layer)  # type: ignore[arg-type]
    return int8, [LayerRow(name, type(layer).__name__, "quantized", "int8", role, _count(layer))]


def _binary_embedding(name: str, layer: nn.Embedding, plan: _Plan) -> tuple[nn.Module, list[LayerRow]]:
    if plan.embeddings == "fp32":
        return layer, _keep(name, layer, "embedding")
    if plan.embeddings == "int8":
        row = LayerRow(name, "Embedding", "quantized", "int8", "embedding", _count(layer))
        return Int8Embedding.from_float(layer), [row]
    options = {key: plan.options[key] for key in ("weight_estimator", "scale")}
    row = LayerRow(name, "Embedding", "binarized", "bwn", "embedding", _count(layer))
    return BinaryEmbedding.from_float(layer, **options), [row]


def _binary_rnn(name: str, rnn: nn.RNNBase, role: str, plan: _Plan) -> tuple[nn.Module, list[LayerRow]]:
    input_scheme, note = (plan.scheme, "") if role != "first layer" else _input_scheme(rnn, role, plan.ends)
    binary = BINARY_VERSIONS[type(rnn)].from_float(rnn, scheme=plan.scheme, input_scheme=input_scheme, **plan.options)
    kind, rows = type(rnn).__name__, []
    for index, layer in enumerate(binary.rows()):
        reason = note if index < binary.directions else ""
        action = {"full": "kept", "int8": "quantized"}.get(layer.input_scheme, "binarized")
        path = f"{name}.layers.{index}"
        rows.append(LayerRow(f"{path}.input", kind, action, layer.input_scheme, reason, layer.input.weight.numel()))
        rows.append(LayerRow(f"{path}.hidden", kind, "binarized", layer.scheme, "", layer.hidden.weight.numel()))
    return binary, rows


def _input_scheme(rnn: nn.RNNBase, role: str, ends: str) -> tuple[str, str]:
    """The scheme of the input half of a recurrent network that comes first, and what to say of it."""
    if ends == "int8" and rnn.input_size > LINEAR_ROW_LIMIT:
        return "full", _too_many(role, rnn.input_size, LINEAR_ROW_LIMIT)
    return {"fp32": "full", "int8": "int8", "binary": "bwn"}[ends], role


def _too_many(role: str, row: int, limit: int) -> str:
    return f"{role}: its {row:,} weights an output are more than the {limit:,} of 8 bits"


def _swap(model: nn.Module, new_layers: dict[nn.Module, nn.Module]) -> None:
    """Put the new layers wherever the old ones are registered: a layer may be used under several names."""
    for parent in list(model.modules()):
        for key, child in parent._modules.items():
            if child in new_layers:
                parent._modules[key] = new_layers[child]


def _warn(report: BinarizationReport, calibration: Any) -> None:
    if not report.binarized:
        warnings.warn("binarize found nothing to binarise: see the report's reasons", BinarizationWarning, stacklevel=3)
    elif calibration is None and report.scheme == "xnor":
        warnings.warn(
            "binarize had no calibration batch: where an xnor layer follows ReLU all its inputs become +1; "
            "pass calibration=batch, or call edgenet.nn.calibrate(model, batch) before training",
            BinarizationWarning,
            stacklevel=3,
        )
