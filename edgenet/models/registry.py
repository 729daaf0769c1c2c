"""The registry of factories, and create(), which makes the binary versions of their networks."""

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.models.catalog import get_entry
from edgenet.nn import binarize

SCHEMES = ("full", "bwn", "xnor")
Factory = Callable[..., nn.Module]
_FACTORIES: dict[str, Factory] = {}


def register_model(factory: Factory) -> Factory:
    """Put a factory into the registry under its function's name.

    A factory takes `num_classes`, `scheme` and its own options and returns the float network in the topology that
    suits the scheme; `create` then makes its layers binary. Name and description belong in `catalog.py`.
    """
    _FACTORIES[factory.__name__] = factory
    return factory


def factory_options(name: str) -> dict[str, Any]:
    """The options that a network's factory takes, also those that it hands on to the network, with their defaults.

    Raises EdgenetError for an unknown name.
    """
    import_module(get_entry(name).module)
    factory = _FACTORIES[name]
    options = options_of(factory) or {}
    made = signature(factory).return_annotation
    if any(parameter.kind == Parameter.VAR_KEYWORD for parameter in signature(factory).parameters.values()):
        options = (options_of(made) or {}) | options
    return {key: value for key, value in options.items() if key not in ("num_classes", "scheme")}


def options_of(callable_: Callable[..., Any]) -> dict[str, Any] | None:
    """What a callable takes by name and has a default for, with the defaults; None where it cannot be told."""
    try:
        parameters = signature(callable_).parameters
    except (TypeError, ValueError):
        return None
    return {name: entry.default for name, entry in parameters.items() if entry.default is not Parameter.empty}


def create(
    name: str, num_classes: int = 10, scheme: str = "full", *, ends: str = "int8",
    weights: Mapping[str, Tensor] | None = None, binary_options: Mapping[str, Any] | None = None, **options: Any,
) -> nn.Module:  # fmt: skip
    """Make a network of the registry.

    scheme
        "full", "bwn" or "xnor".
    ends
        Precision of the ends in the binary versions, "fp32", "int8" or "binary" (see `edgenet.nn.binarize`); "full" has
        "fp32".
    weights
        State dict of the trained `full` network: what the binary versions start from.
    binary_options
        Options of `binarize`, such as `estimator`.
    options
        Of the network's own factory, such as `in_channels`.

    The model has attributes `scheme`, `ends` and `input_shape` (of one sample), and `binarization_report` where it is
    binary. The thresholds of `xnor` networks start at 0: call `edgenet.nn.calibrate` with a batch of data before use.
    Raises EdgenetError for an unknown name or scheme, options that the factory doesn't take, or weights that don't fit.
    """
    entry = get_entry(name)
    if scheme not in SCHEMES:
        raise EdgenetError(f"unknown scheme {scheme!r}: use one of {', '.join(SCHEMES)}")
    import_module(entry.module)
    try:
        model = _FACTORIES[name](num_classes=num_classes, scheme=scheme, **options)
    except TypeError as error:
        raise EdgenetError(f"model {name!r} cannot be made with options {sorted(options)}: {error}") from error
    if weights is not None:
        try:
            model.load_state_dict(dict(weights))
        except RuntimeError as error:
            raise EdgenetError(f"the weights given are not those of {name!r}: {error}") from error
    if scheme != "full":
        _binarize(model, scheme, ends, binary_options or {})
    model.scheme, model.ends = scheme, ends if scheme != "full" else "fp32"  # type: ignore[assignment]
    return model


def _binarize(model: nn.Module, scheme: str, ends: str, options: Mapping[str, Any]) -> None:
    """Make all layers binary but those under the names in the model's `training_only`, which no file will hold."""
    left_out = tuple(f"{name}." for name in getattr(model, "training_only", ()))
    kept_by_caller = options.get("filter_fn")

    def is_wanted(layer: nn.Module, name: str) -> bool:
        return not name.startswith(left_out) and (kept_by_caller is None or kept_by_caller(layer, name))

    report = binarize(model, scheme, ends=ends, calibration="later", **{**options, "filter_fn": is_wanted})
    for row in report:
        if left_out and row.name.startswith(left_out):
            row.reason = "used in training only"
