"""Zero-padded batches of sequences of unequal lengths: which steps are real, the last of them, and their reverse."""

import torch
from torch import Tensor

from edgenet.errors import EdgenetError


def check_lengths(lengths: Tensor, samples: int, steps: int) -> Tensor:
    """`lengths` [N] as int64. Raises EdgenetError unless they are whole numbers from 1 to `steps`, one a sample."""
    if not isinstance(lengths, Tensor) or lengths.is_floating_point() or tuple(lengths.shape) != (samples,):
        found = f"{lengths.dtype} {list(lengths.shape)}" if isinstance(lengths, Tensor) else type(lengths).__name__
        raise EdgenetError(f"lengths must be whole numbers [{samples}], one a sequence of the batch, got {found}")
    if samples and not 1 <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise EdgenetError(
            f"lengths must be from 1 to the {steps} steps of the padded batch, got {int(lengths.min())} to "
            f"{int(lengths.max())}"
        )
    return lengths.long()


def step_mask(lengths: Tensor, steps: int) -> Tensor:
    """True where a step is real, [T, N], of lengths [N]; False where it is padding."""
    return torch.arange(steps, device=lengths.device).unsqueeze(1) < lengths


def mask_steps(x: Tensor, lengths: Tensor | None, time: int = 1) -> Tensor:
    """x [N, T, ...], or [T, N, ...] with `time` 0, with zeros at all steps that are padding."""
    if lengths is None:
        return x
    mask = step_mask(lengths, x.shape[time])
    mask = (mask if time == 0 else mask.t()).reshape(*x.shape[:2], *[1] * (x.dim() - 2))
    return torch.where(mask, x, torch.zeros((), dtype=x.dtype, device=x.device))


def last_step(x: Tensor, lengths: Tensor | None = None, time: int = 1) -> Tensor:
    """The last real step [N, H] of x [N, T, H], or of [T, N, H] with `time` 0."""
    if lengths is None:
        return x.select(time, -1)
    shape = (1, -1, 1) if time == 0 else (-1, 1, 1)
    index = (lengths - 1).reshape(shape).expand(*(1 if axis == time else x.shape[axis] for axis in (0, 1)), x.shape[2])
    return x.gather(time, index).squeeze(time)


def reverse_sequences(x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """x [T, N, H] with each sequence reversed within its length; padding stays where it is (ONNX: ReverseSequence)."""
    if lengths is None:
        return x.flip(0)
    steps = torch.arange(len(x), device=x.device).unsqueeze(1)
    index = torch.where(steps < lengths, lengths - 1 - steps, steps)
    return x.gather(0, index.unsqueeze(2).expand_as(x))
