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
    """Load pretrained weights; returns a sentence for every tensor of the last layer that was left out.

    Only the last linear layer may differ in its number of outputs, as for another set of classes; it keeps its
    initial weights. Raises EdgenetError that names the first other tensor that is missing, surplus or of another shape.
    """
    own = model.state_dict()
    last = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1:]
    head = {f"{last[0]}.weight", f"{last[0]}.bias"} if last else set()
    left_out = []
    fitting = dict(state)
    for name, tensor in state.items():
        if name not in own:
            raise EdgenetError(f"the weights hold {name!r}, which the network does not have: are they of this network?")
        if tensor.shape == own[name].shape:
            continue
        shapes = f"{list(tensor.shape)} in the weights, {list(own[name].shape)} in the network"
        if name not in head:
            raise EdgenetError(f"{name!r} has another shape: {shapes}")
        left_out.append(f"{name} was left out and starts untrained: {shapes}")
        del fitting[name]
    missing = sorted(name for name in own.keys() - state.keys() if not name.endswith("num_batches_tracked"))
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise EdgenetError(f"the weights lack {missing[0]!r}{others}: are they of this network?")
    model.load_state_dict(fitting, strict=False)
    return left_out
