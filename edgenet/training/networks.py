"""The network to be trained: one of the registry, or the user's own factory."""

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.models import create, example_inputs, get_entry
from edgenet.models.registry import factory_options
from edgenet.nn import binarize, calibrate
from edgenet.tasks import SequenceDataSet, list_own_data
from edgenet.tasks.catalog import IMAGES, SEQUENCES
from edgenet.training.options import check_options

Factory = Callable[..., nn.Module]
Arguments = Tensor | tuple[Tensor, Mapping[str, Tensor]]
"""Of a `forward`: the input alone, or with what goes by name."""
_KINDS = {1: "token ids", 2: "sequences of features", 3: "images"}
"""Of samples, by their number of axes."""


@dataclass(frozen=True)
class Network:
    """Makes one network in every scheme. `factory` is the user's own; None means the registry."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    factory: Factory | None = None

    @property
    def task(self) -> str:
        if self.factory is None:
            return get_entry(self.name).task
        return SEQUENCES if len(self.input_shape() or ()) == 2 else IMAGES

    @property
    def ragged(self) -> bool:
        """Whether it takes samples of unequal lengths."""
        return self.factory is None and get_entry(self.name).ragged

    @property
    def default_data(self) -> str:
        data = "digits" if self.factory is not None else get_entry(self.name).data
        if not data:
            layouts = [own.layout + ", " + own.description for own in list_own_data() if self.task in own.tasks]
            raise EdgenetError(
                f"there is no built-in data set for {self.name} ({self.task}): give your own as data (--data), "
                f"{'; or '.join(layouts)}"
            )
        return data

    def fitted_to(self, data: SequenceDataSet) -> "Network":
        """The network with the sizes that the data decide: features, channels and vocabularies.

        Raises EdgenetError for data whose samples are of another kind than the network takes.
        """
        wanted, found = len(get_entry(self.name).input_shape), len(data.input_shape)
        if wanted != found:
            raise EdgenetError(
                f"{self.name} takes {_KINDS[wanted]}, {data.name} holds {_KINDS[found]}: choose another network "
                "(edgenet models) or other data"
            )
        sizes: dict[str, Any] = {}
        if data.source_vocabulary is not None:
            sizes = dict.fromkeys(("vocabulary_size", "source_vocabulary_size"), len(data.source_vocabulary))
        elif found == 2:
            sizes = {"in_channels": data.input_shape[1]}
        else:
            channels, height, width = data.input_shape
            sizes = {"in_channels": channels, "height": height, "input_size": width}
        known = factory_options(self.name)
        return replace(self, options={**self.options, **{key: sizes[key] for key in sizes if key in known}})

    def input_shape(self) -> tuple[int, ...] | None:
        """Shape of one sample, as the catalog, or an attribute `input_shape` of the user's model, says."""
        if self.factory is None:
            shape = get_entry(self.name).input_shape
            if len(shape) == 1:
                return shape
            channels = self.options.get("in_channels", shape[0] if len(shape) == 3 else shape[-1])
            size = self.options.get("input_size")
            if len(shape) == 2:
                return (shape[0], channels)
            return (channels, size or shape[1], size or shape[2])
        own_shape = getattr(self._make(), "input_shape", None)
        return None if own_shape is None else tuple(own_shape)

    def recorded_options(self) -> dict[str, Any]:
        """What a checkpoint keeps: of a network of the registry defaults as well, so that it outlives a new default."""
        defaults = {} if self.factory is not None else factory_options(self.name)
        recorded: dict[str, Any] = json.loads(json.dumps({**defaults, **self.options}))  # as a file gives them back
        return recorded

    def build(
        self, scheme: str, classes: int, *, ends: str = "int8", calibration: Arguments | None,
        weights: Mapping[str, Tensor] | None = None, binary_options: Mapping[str, Any] | None = None,
        gains: bool = False,
    ) -> nn.Module:  # fmt: skip
        """The network in a scheme, from the `weights` of the full one if given; a binary one is calibrated.

        `calibration` are arguments of its `forward`; None, for a network of the registry, makes some up. `gains` as
        for `calibrate`, where there are weights.
        """
        gains = gains and weights is not None
        if self.factory is None:
            model = create(
                self.name, classes, scheme, ends=ends, weights=weights, binary_options=binary_options, **self.options
            )
            if scheme != "full":
                calibrate(model, _in_order(model, calibration), gains=gains)
            return model
        assert isinstance(calibration, Tensor)
        model = self._make()
        if weights is not None:
            model.load_state_dict(dict(weights))
        self._check(model, classes, calibration)
        if scheme != "full":
            binarize(model, scheme, ends=ends, calibration=calibration, **(binary_options or {}))
            if gains:
                calibrate(model, calibration, gains=True)
        model.scheme, model.ends = scheme, ends if scheme != "full" else "fp32"  # type: ignore[assignment]
        model.input_shape = tuple(calibration.shape[1:])  # type: ignore[assignment]
        return model

    def _make(self) -> nn.Module:
        assert self.factory is not None
        try:
            model = self.factory(**self.options)
        except TypeError as error:
            given = f"with options {sorted(self.options)}" if self.options else "without arguments"
            raise EdgenetError(f"{self.name} cannot be called {given}: {error}") from error
        if not isinstance(model, nn.Module):
            raise EdgenetError(f"{self.name} returned {type(model).__name__}, not a torch.nn.Module")
        return model

    @torch.no_grad()
    def _check(self, model: nn.Module, classes: int, calibration: Tensor) -> None:
        shape = tuple(calibration.shape[1:])
        training = {module: module.training for module in model.modules()}
        try:
            outputs = model.eval()(calibration[:2])
        except RuntimeError as error:
            raise EdgenetError(
                f"{self.name} cannot take samples of shape {shape} ({error}): "
                "give the model an attribute input_shape, such as (3, 64, 64)"
            ) from error
        finally:
            for module, mode in training.items():
                module.training = mode
        logits = outputs[0] if isinstance(outputs, tuple) else outputs
        if not isinstance(logits, Tensor) or tuple(logits.shape) != (2, classes):
            found = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise EdgenetError(
                f"{self.name} gives {found} for 2 samples, the data have {classes} classes: "
                "its output must be logits [samples, classes]"
            )


def _in_order(model: nn.Module, arguments: Arguments | None) -> tuple[Any, ...]:
    """Arguments by position, as `calibrate` takes them; made up where there are none."""
    if arguments is None:
        return example_inputs(model, 2)
    if isinstance(arguments, Tensor):
        return (arguments,)
    bound = signature(model.forward).bind(arguments[0], **arguments[1])
    bound.apply_defaults()
    return bound.args


def find_network(model: str | Factory, options: Mapping[str, Any] | None = None) -> Network:
    """The network that a name of the registry, `package.module:factory`, or a factory itself stands for.

    Raises EdgenetError for an unknown name, a module that can't be imported or that lacks the factory, and for options
    that the network lacks.
    """
    if callable(model):
        name = f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', type(model).__name__)}"
        return _with_options(Network(name, {}, model), options)
    if ":" not in model:
        get_entry(model)
        return _with_options(Network(model), options)
    module_name, _, attribute = model.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the module is the user's: it may raise anything
        raise EdgenetError(f"cannot import {module_name!r} of {model!r}: {type(error).__name__}: {error}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise EdgenetError(f"module {module_name!r} has no callable {attribute!r}")
    return _with_options(Network(model, {}, factory), options)


def _with_options(network: Network, options: Mapping[str, Any] | None) -> Network:
    if not options:
        return network
    check_options(network.name, options, network.factory)
    return replace(network, options=dict(options))
