"""Checkpoints: weights as safetensors, all else as JSON beside it. Reading one never runs code that it names."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from edgenet.errors import EdgenetError
from edgenet.nn import LayerRow
from edgenet.nn.calibration import BinarizationWarning
from edgenet.training.files import read_json, read_tensors, restore_like, write_json, write_tensors
from edgenet.training.networks import Factory, Network
from edgenet.training.recipes import BINARY_OPTIONS

# What an optimizer keeps for each parameter, by the parameter's number.
Moments = dict[int, dict[str, Any]]
_REQUIRED = ("model", "options", "scheme", "ends", "classes", "input_shape", "recipe")


def save_checkpoint(model: nn.Module, metadata: Mapping[str, Any], path: str | Path) -> Path:
    """Write PATH.safetensors with the model's state dict and PATH.json with `metadata`; returns the former's path."""
    path = weights_path(path)
    write_tensors(path, model.state_dict())
    # Last, so that a checkpoint with its JSON is a whole one.
    write_json(path.with_suffix(".json"), metadata)
    return path


def weights_path(path: str | Path) -> Path:
    """PATH.safetensors; of a name such as `v1.5` the dot is no ending's."""
    path = Path(path)
    stem = path.stem if path.suffix in (".safetensors", ".json") else path.name
    return path.with_name(f"{stem}.safetensors")


def load_checkpoint(path: str | Path, factory: Factory | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """The model, in inference mode, and the metadata of a checkpoint (its .safetensors, its .json or neither ending).

    `factory` makes the float network where it isn't one of the registry; the checkpoint names it, but what a file
    names is not imported. Raises EdgenetError where files are missing or damaged, or that factory is.
    """
    path = weights_path(path)
    for file in (path, path.with_suffix(".json")):
        if not file.is_file():
            raise EdgenetError(
                f"there is no {file}: a checkpoint is a .safetensors of a run folder that edgenet binarize wrote, "
                "with its .json beside it; name one of those"
            )
    metadata = read_json(path.with_suffix(".json"))
    missing = [key for key in _REQUIRED if key not in metadata]
    if missing:
        raise EdgenetError(f"{path.with_suffix('.json')} is no checkpoint of edgenet: it lacks {missing[0]!r}")
    name = str(metadata["model"])
    if factory is None and ":" in name:
        raise EdgenetError(f"checkpoint {path} is of your own network {name}: pass its factory (--model {name})")
    tensors, _ = read_tensors(path)
    try:
        network = Network(name, dict(metadata["options"]), factory)
        recipe = metadata["recipe"]
        options = {key: recipe[key] for key in BINARY_OPTIONS if key in recipe}
        options |= {"activations": metadata["activations"]} if "activations" in metadata else {}
        # Any batch serves: it finds the order of layers, and the thresholds it sets are overwritten below.
        batch = None if network.ragged else torch.zeros(2, *metadata["input_shape"])
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore", BinarizationWarning)  # of a batch that means nothing
            model = network.build(
                metadata["scheme"], len(metadata["classes"]) or metadata["output_size"], ends=metadata["ends"],
                calibration=batch, binary_options=options,
            )  # fmt: skip
        model.load_state_dict(tensors)
        report = getattr(model, "binarization_report", None)
        if report is not None and "layers" in metadata:
            # What was found in training, not what the batch above makes of it.
            report.layers = [LayerRow(**row) for row in metadata["layers"]]
    except (TypeError, RuntimeError) as error:
        raise EdgenetError(f"the weights in {path} are not those of the {name} its JSON describes: {error}") from error
    return model.eval(), metadata


def save_training_state(
    path: Path, model: nn.Module, optimizer: Optimizer, epoch: int, settings: Mapping[str, Any]
) -> None:
    """Write what a training needs to go on after `epoch` epochs: one safetensors file."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, entries in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in entries.items()}
    write_tensors(path, tensors, {"epoch": str(epoch), "settings": json.dumps(settings, sort_keys=True)})


def describe_change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Name the first of the settings now that was another before, as in "epochs of the recipe was 6 and is now 12"."""
    for key, value in now.items():
        was = before.get(key)
        if was == value:
            continue
        if isinstance(value, Mapping) and isinstance(was, Mapping):
            inner = next(name for name in {**was, **value} if was.get(name) != value.get(name))
            return f"{inner} of the {key} was {was.get(inner)} and is now {value.get(inner)}"
        return f"{key} was {was} and is now {value}"
    return None


def load_training_state(path: Path, model: nn.Module, settings: Mapping[str, Any]) -> tuple[int, Moments]:
    """Load what `save_training_state` wrote into `model`; returns (epochs done, the optimizer's moments).

    Raises EdgenetError where the settings are not those of the training that was interrupted.
    """
    tensors, metadata = read_tensors(path)
    if "epoch" not in metadata or "settings" not in metadata:
        raise EdgenetError(f"{path} holds no training state: remove it, or start afresh without --resume")
    before = json.loads(metadata["settings"])
    now = json.loads(json.dumps(settings))
    changed = describe_change(before, now)
    if changed:
        raise EdgenetError(
            f"cannot resume {path}: {changed}; repeat the first run's options, or start afresh without --resume"
        )
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    state: Moments = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
    return int(metadata["epoch"]), state


def restore_optimizer(optimizer: Optimizer, saved: Moments) -> None:
    """Put saved moments back, in the memory layout of the parameters they belong to."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, entries in saved.items():
        parameter = parameters[index]
        optimizer.state[parameter] = {
            key: restore_like(value, parameter) if value.shape == parameter.shape else value.to(parameter.device)
            for key, value in entries.items()
        }
