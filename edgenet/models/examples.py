"""Made-up arguments of networks, to try them with; not data."""

from typing import cast

import torch
from torch import Tensor, nn


def example_inputs(model: nn.Module, samples: int) -> tuple[Tensor, ...]:
    """Arguments of `model.forward` for a batch: the model's own `example_inputs`, else numbers of its `input_shape`."""
    own = getattr(model, "example_inputs", None)
    if own is not None:
        return cast(tuple[Tensor, ...], own(samples))
    return (torch.randn(samples, *cast(tuple[int, ...], model.input_shape)),)


def random_lengths(samples: int, steps: int) -> Tensor:
    """Lengths [samples] from 1 to `steps`, at least one of them all steps."""
    lengths = torch.randint(max(1, steps // 2), steps + 1, (samples,))
    lengths[0] = steps
    return lengths


def random_tokens(samples: int, steps: int, vocabulary_size: int) -> tuple[Tensor, Tensor]:
    """Token ids [samples, steps] from 1 on, padded with 0, and their lengths."""
    lengths = random_lengths(samples, steps)
    tokens = torch.randint(1, vocabulary_size, (samples, steps))
    return torch.where(torch.arange(steps) < lengths.unsqueeze(1), tokens, 0), lengths


def random_frames(samples: int, steps: int, features: int) -> tuple[Tensor, Tensor]:
    """Features [samples, steps, features], padded with 0, and their lengths."""
    lengths = random_lengths(samples, steps)
    real = (torch.arange(steps) < lengths.unsqueeze(1)).unsqueeze(2)
    return torch.where(real, torch.randn(samples, steps, features), 0.0), lengths
