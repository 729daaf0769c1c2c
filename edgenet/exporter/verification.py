"""Runs an exported network beside its torch original, on every path that this machine has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession, library

MINIMUM_AGREEMENT = 0.995
"""Share of samples on which an exported network must agree with torch."""
MINIMUM_AGREEMENT_RANDOM = 0.9
"""The same for random numbers: on noise the classes lie so close that a sign which rounding flipped can change one.
At least half of the samples must then also be within RELATIVE_ERROR, as those are that no flip has reached."""
RELATIVE_ERROR = 0.01
"""Largest |onnx - torch| / |torch| (Euclidean, by sample) at which outputs that are no class scores agree."""
BATCH = 16


@dataclass(frozen=True)
class Verification:
    """How one file compares with torch; the paths are `native` and `portable`, or `plain` without binary layers."""

    agreement: dict[str, float]
    """By path: share of samples with the same class (or, for other outputs, within RELATIVE_ERROR)."""
    max_abs_error: dict[str, float]
    """By path: largest absolute difference of any output of any sample."""
    samples: int
    why_portable: str | None
    """One sentence on why there is no native path to verify; None where there is."""


def verify(
    model: nn.Module, content: bytes, arguments: Sequence[Tensor], *, random_samples: bool = False
) -> Verification:
    """Compare an ONNX file's outputs with those of `model`, which must be in eval mode.

    Args:
        content: the file's bytes.
        arguments: the model's inputs, [samples, ...]; for a recurrent model the second one, the state, is
            [layers, samples, ...].
        random_samples: the samples are random numbers, not data.

    Raises:
        EdgenetError: the file does not run, or agrees with torch on too few samples (MINIMUM_AGREEMENT) on some path.
    """
    reason = library.why_portable()
    session = InferenceSession(content, native=False)
    sessions: dict[str, InferenceSession] = {session.path: session}
    if session.operator_nodes and reason is None:
        sessions["native"] = InferenceSession(content, native=True)
    recurrent = [value.name for value in session.inputs][1:] == ["state"]
    comparisons: dict[str, list[_Comparison]] = {path: [] for path in sessions}
    count = len(arguments[0])
    for start in range(0, count, BATCH):
        part = slice(start, start + BATCH)
        batch = [t[:, part] if recurrent and index else t[part] for index, t in enumerate(arguments)]
        expected = _run_torch(model, batch)
        feeds = {value.name: t.numpy() for value, t in zip(session.inputs, batch, strict=True)}
        for path, candidate in sessions.items():
            comparisons[path].append(_compare(expected, candidate.run(feeds)))
    agreement, errors = {}, {}
    for path, parts in comparisons.items():
        agreement[path] = float(np.concatenate([part.same_class for part in parts]).mean())
        errors[path] = max(part.max_abs_error for part in parts)
        close = float(np.concatenate([part.close for part in parts]).mean())
        required = MINIMUM_AGREEMENT_RANDOM if random_samples else MINIMUM_AGREEMENT
        if agreement[path] < required or (random_samples and close < 0.5):
            raise EdgenetError(
                f"the exported network disagrees with torch on the {path} path: {agreement[path]:.1%} of {count} "
                f"{'random ' if random_samples else ''}samples agree, {required:.1%} must, and {close:.1%} are within "
                f"{RELATIVE_ERROR:.0%} (largest difference {errors[path]:.3g}), so nothing was written"
            )
    return Verification(agreement, errors, count, reason if session.operator_nodes else None)


@dataclass(frozen=True)
class _Comparison:
    """By sample: whether classes and values agree; over all of them and all outputs: the largest difference."""

    same_class: NDArray[np.bool_]
    close: NDArray[np.bool_]
    max_abs_error: float


def _run_torch(model: nn.Module, batch: Sequence[Tensor]) -> list[NDArray]:
    with torch.no_grad():
        outputs = model(*batch)
    return [t.numpy() for t in (outputs if isinstance(outputs, tuple | list) else [outputs])]


def _compare(expected: list[NDArray], found: list[NDArray]) -> _Comparison:
    """Compare the outputs of one batch; the first one decides on agreement."""
    if [x.shape for x in expected] != [x.shape for x in found]:
        never = np.zeros(len(expected[0]), bool)
        return _Comparison(never, never, float("inf"))
    differences = [np.abs(a.astype(np.float64) - b.astype(np.float64)) for a, b in zip(expected, found, strict=True)]
    a, b = (x[0].reshape(len(x[0]), -1).astype(np.float64) for x in (expected, found))
    close = np.linalg.norm(b - a, axis=1) <= RELATIVE_ERROR * np.linalg.norm(a, axis=1) + 1e-6
    has_classes = expected[0].ndim == 2 and expected[0].shape[1] > 1
    same_class = a.argmax(1) == b.argmax(1) if has_classes else close
    # A NaN on one side only is no agreement, and argmax would not see it.
    same_class &= (np.isnan(a) == np.isnan(b)).all(1)
    return _Comparison(same_class, close, max(float(d.max(initial=0.0)) for d in differences))
