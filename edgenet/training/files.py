"""What training leaves on disk: JSON, safetensors, samples; each file is there whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from edgenet.errors import EdgenetError
from edgenet.files import write_whole


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Raises EdgenetError where the file is missing or holds no JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EdgenetError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise EdgenetError(f"{path} holds no JSON object")
    return content


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """A safetensors file; metadata are strings in its header."""
    # safetensors stores row-major tensors only; channels_last ones are copied.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda temporary: save_file(plain, temporary, dict(metadata or {})))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises EdgenetError where it can't be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise EdgenetError(f"{path} cannot be read as safetensors: {error}") from error


def restore_like(saved: Tensor, like: Tensor) -> Tensor:
    """`saved` in the memory layout of `like`: fused optimizers walk through both in the order they are stored."""
    return torch.empty_like(like).copy_(saved)
