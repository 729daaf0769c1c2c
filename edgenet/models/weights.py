"""Reading of weights that others trained: safetensors, or a `.pth` without running what it says."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors by name in a `.safetensors`, or in a `.pth` or `.pt` that holds nothing but tensors.

    A state dict under the key `state_dict` or `model` is found, the prefix `module.` of data-parallel training removed.
    Raises EdgenetError for a file that is missing, unreadable, would run code, or holds no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise EdgenetError(f"no weights at {path}: give a .safetensors or .pth file")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise EdgenetError(f"{path} is no safetensors file: {error}") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise EdgenetError(
            f"{path} is no PyTorch weights file, or holds more than tensors and would run code when read, so it was "
            "refused: save a plain state_dict"
        ) from error
    except Exception as error:  # of a file that is something else torch reads on until anything at all goes wrong
        raise EdgenetError(f"{path} cannot be read as PyTorch weights: {_first_line(error)}") from error
    return _find_state_dict(content, path)


def _find_state_dict(content: object, path: Path) -> dict[str, Tensor]:
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise EdgenetError(f"{path} holds no state dict: save model.state_dict()")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def load_pretrained(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Load pretrained weights; returns a sentence for every tensor that was left out or starts untrained.

    Only the layers that give the classes may differ in their number of outputs, as for another set of classes: the last
    linear layer, or the last convolution where there is none, and those of the parts that the model names in
    `training_only`. They keep their initial weights, and so do such parts where the weights lack them whole. A model
    may say in `current_keys` how weights of an older version of it are read. Raises EdgenetError that names the first
    other tensor that is missing, surplus or of another shape.
    """
    own = model.state_dict()
    current_keys = getattr(model, "current_keys", None)
    fitting = dict(state) if current_keys is None else current_keys(state)
    parts = tuple(f"{name}." for name in getattr(model, "training_only", ()))
    head = _class_layers(model, parts)
    notes = []
    for name, tensor in list(fitting.items()):
        if name not in own:
            raise EdgenetError(f"the weights hold {name!r}, which the network does not have: are they of this network?")
        if tensor.shape == own[name].shape:
            continue
        shapes = f"{list(tensor.shape)} in the weights, {list(own[name].shape)} in the network"
        if name.rpartition(".")[0] not in head:
            raise EdgenetError(f"{name!r} has another shape: {shapes}")
        notes.append(f"{name} was left out and starts untrained: {shapes}")
        del fitting[name]
    held = fitting.keys() | state.keys()
    absent = tuple(part for part in parts if not any(name.startswith(part) for name in held))
    notes += [f"{part[:-1]} starts untrained: the weights lack it" for part in absent]
    missing = sorted(
        name for name in own.keys() - held if not name.endswith("num_batches_tracked") and not name.startswith(absent)
    )
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise EdgenetError(f"the weights lack {missing[0]!r}{others}: are they of this network?")
    model.load_state_dict(fitting, strict=False)
    return notes


def _class_layers(model: nn.Module, parts: tuple[str, ...]) -> set[str]:
    """Names of the layers whose outputs are the classes: the last of the model and of each of its `parts`."""
    found = set()
    for part in ("", *parts):
        layers = {n: m for n, m in model.named_modules() if n.startswith(part)}
        linear = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]
        convolutions = [name for name, layer in layers.items() if isinstance(layer, nn.Conv2d)]
        found |= {*(linear or convolutions)[-1:]}
    return found
