"""What the exporter writes into a file besides the network: scheme, classes, preprocessing, versions, layers."""

import json
from collections.abc import Mapping
from typing import Any

from torch import nn

import edgenet
from edgenet.errors import EdgenetError
from edgenet.exporter.functions import OPERATOR_SET
from edgenet.nn import BinaryLayer, BinaryRNN

PREFIX = "edgenet."


def describe(model: nn.Module, input_shape: list[int], given: Mapping[str, Any] | None) -> dict[str, str]:
    """Metadata of the file, each key with the prefix `edgenet.`, text as it is and anything else as JSON.

    `given` wins over what is read off the model: `scheme`, `ends` and the layers that `binarize` reported.
    `input_shape` is that of one sample; `edgenet_version` and `operator_set` cannot be given.

    Raises:
        EdgenetError: a value cannot be written as JSON.
    """
    entries: dict[str, Any] = {"scheme": _scheme(model), "input_shape": input_shape}
    report = getattr(model, "binarization_report", None)
    if report is not None:
        entries |= {"ends": report.ends, "activations": report.activations, "binary_layers": report.as_list()}
    if isinstance(getattr(model, "ends", None), str):
        entries["ends"] = model.ends
    entries |= {key.removeprefix(PREFIX): value for key, value in (given or {}).items() if value is not None}
    entries |= {"edgenet_version": edgenet.__version__, "operator_set": str(OPERATOR_SET)}
    return {f"{PREFIX}{key}": _text(key, value) for key, value in entries.items()}


def _scheme(model: nn.Module) -> str:
    own = getattr(model, "scheme", None)
    if isinstance(own, str):
        return own  # frozen layers have one bit in `full` as well
    schemes = {module.scheme for module in model.modules() if isinstance(module, BinaryLayer | BinaryRNN)}
    return "xnor" if "xnor" in schemes else "bwn" if "bwn" in schemes else "full"


def _text(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise EdgenetError(f"metadata {key!r} is no JSON ({error}); give text, numbers, lists or dicts") from error
