"""Truncated back-propagation through time: long sequences in chunks, with the state carried from one to the next."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.nn import step_mask

State = Any
"""A tensor [layers, N, H], a tuple of such, or None for zeros."""


def detach_state(state: State) -> State:
    """The same state, through which no gradient flows back."""
    return _each(lambda tensor: tensor.detach(), state)


def truncated_backpropagation(
    model: nn.Module, inputs: Tensor, targets: Tensor, loss: Callable[[Tensor, Tensor], Tensor], steps: int, *,
    state: State = None, lengths: Tensor | None = None, after_chunk: Callable[[], None] | None = None,
) -> tuple[Tensor, State]:  # fmt: skip
    """Run `model` over a batch of sequences in chunks of `steps` and back-propagate within each of them.

    The state goes on from chunk to chunk, the gradient does not, so that memory is that of one chunk however long the
    sequences (Williams and Peng 1990, "An efficient gradient-based algorithm for on-line training of recurrent network
    trajectories"). With one chunk it is back-propagation through time in full.

    model
        `model(inputs, state, lengths)` returns logits [N, T, classes] and the state.
    inputs, targets
        [N, T, ...] and [N, T].
    loss
        The mean loss of logits [M, classes] and targets [M], the real steps of a chunk; as `torch.nn.functional`'s
        `cross_entropy`.
    state
        To start from: what an earlier call returned, where the sequences go on.
    lengths
        [N], of zero-padded sequences. What is padding counts nowhere; a sequence that has ended keeps its state.
    after_chunk
        Called after each chunk's backward pass, as for a step of the optimizer; the gradients are then those of the
        chunk's own mean. Without it they add up to those of the mean over all steps.

    Returns the mean loss over all steps and the final state, both detached. Raises EdgenetError for fewer than 1 step.
    """
    if steps < 1:
        raise EdgenetError(f"truncated back-propagation in chunks of {steps} steps: use 1 or more")
    samples, time = inputs.shape[:2]
    remaining = torch.full((samples,), time) if lengths is None else lengths.cpu()
    count = int(remaining.sum())
    total = torch.zeros((), device=inputs.device)
    for start in range(0, int(remaining.max()), steps):
        part = slice(start, start + steps)
        own = (remaining - start).clamp(0, min(steps, time - start))
        rows = (own > 0).nonzero().flatten().to(inputs.device)
        own = own[own > 0].to(inputs.device)
        carried = _each(lambda tensor, rows=rows: tensor[:, rows], state)  # type: ignore[misc]
        logits, final = model(inputs[rows, part], carried, None if lengths is None else own)
        real = step_mask(own, logits.shape[1]).t()
        mean = loss(logits[real], targets[rows, part][real])
        share = int(own.sum()) / count
        (mean if after_chunk is not None else mean * share).backward()
        total += mean.detach() * share
        state = _merged(state, detach_state(final), rows, samples)
        if after_chunk is not None:
            after_chunk()
    return total, state


def _each(change: Callable[[Tensor], Tensor], state: State) -> State:
    if isinstance(state, tuple):
        return tuple(change(tensor) for tensor in state)
    return None if state is None else change(state)


def _merged(state: State, final: State, rows: Tensor, samples: int) -> State:
    """The state of all samples, of which those in `rows` have gone on."""
    if len(rows) == samples:
        return final
    if isinstance(final, tuple):
        return tuple(_merged(before, after, rows, samples) for before, after in zip(state, final, strict=True))
    merged = state.clone()
    merged[:, rows] = final
    return merged
