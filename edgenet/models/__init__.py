"""The networks: one file a family, each a factory in one registry. `list_models` needs no torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgenet.models.catalog import ModelEntry, get_entry, list_models

if TYPE_CHECKING:
    from edgenet.models.examples import example_inputs
    from edgenet.models.fitted import FittedNetwork
    from edgenet.models.registry import create, register_model
    from edgenet.models.weights import load_pretrained, read_state_dict

_HOME = {
    "FittedNetwork": "fitted",
    "example_inputs": "examples",
    "create": "registry",
    "register_model": "registry",
    "load_pretrained": "weights",
    "read_state_dict": "weights",
}

__all__ = [
    "FittedNetwork",
    "ModelEntry",
    "create",
    "example_inputs",
    "get_entry",
    "list_models",
    "load_pretrained",
    "read_state_dict",
    "register_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'edgenet.models' has no attribute {name!r}")
    return getattr(import_module(f"edgenet.models.{_HOME[name]}"), name)
