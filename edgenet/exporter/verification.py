"""Runs an exported network beside its torch original, on every path that this machine has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def worse(self, other: Verification) -> Verification:
        """Of two of one network the worse agreement and the larger difference on each path; the samples are these."""
        agreement = {path: min(share, other.agreement[path]) for path, share in self.agreement.items()}
        errors = {path: max(error, other.max_abs_error[path]) for path, error in self.max_abs_error.items()}
        return Verification(agreement, errors, self.samples, self.why_portable)


def verify(
    model: nn.Module, content: bytes, arguments: Sequence[Tensor], names: Sequence[str] | None = None, *,
    given: Mapping[str, Tensor] | None = None, random_samples: bool = False, stepwise: bool = False,
) -> Verification:  # fmt: skip
    """Compare an ONNX file's outputs with those of `model`, which must be in eval mode.

    Args:
        content: the file's bytes.
        arguments: the model's inputs, [samples, ...]; one named `state` is [layers, samples, ...].
        names: the file's names of them; None for its own order.
        given: inputs [samples, ...] that the file takes besides, or in place of the model's that it has not.
        random_samples: the samples are random numbers, not data.
        stepwise: the first output [samples, steps, classes] has class scores for each step, and each counts.

    Raises:
        EdgenetError: the file does not run, or agrees with torch on too few samples (MINIMUM_AGREEMENT) on some path.
    """
    reason = library.why_portable()
    session = InferenceSession(content, native=False)
    sessions: dict[str, InferenceSession] = {session.path: session}
    if session.operator_nodes and reason is None:
        sessions["native"] = InferenceSession(content, native=True)
    names = [value.name for value in session.inputs] if names is None else names
    optional = session.ort.get_overridable_initializers()
    taken = {value.name for value in (*session.inputs, *optional)}
    comparisons: dict[str, list[_Comparison]] = {path: [] for path in sessions}
    count = len(arguments[0])
    for start in range(0, count, BATCH):
        part = slice(start, start + BATCH)
        batch = [t[:, part] if name == "state" else t[part] for name, t in zip(names, arguments, strict=True)]
        expected = _run_torch(model, batch)
        feeds = {name: t.numpy() for name, t in zip(names, batch, strict=True)}
        if given is not None:
            feeds |= {name: t[part].numpy() for name, t in given.items()}
            feeds = {name: array for name, array in feeds.items() if name in taken}
        for path, candidate in sessions.items():
            found = candidate.run(feeds)[: len(expected)]  # what is behind is no output of the model
            comparisons[path].append(_compare(expected, found, stepwise))
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
    """By sample: the share of its classes, one or one a step, that agree, and whether its values do; over all of them
    and all outputs: the largest difference."""

    same_class: NDArray[np.float64]
    close: NDArray[np.bool_]
    max_abs_error: float


def _run_torch(model: nn.Module, batch: Sequence[Tensor]) -> list[NDArray]:
    with torch.no_grad():
        outputs = model(*batch)
    return [t.numpy() for t in (outputs if isinstance(outputs, tuple | list) else [outputs])]


def _compare(expected: list[NDArray], found: list[NDArray], stepwise: bool) -> _Comparison:
    """Compare the outputs of one batch; the first one decides on agreement."""
    if [x.shape for x in expected] != [x.shape for x in found]:
        never = np.zeros(len(expected[0]), bool)
        return _Comparison(never.astype(float), never, float("inf"))
    differences = [np.abs(a.astype(np.float64) - b.astype(np.float64)) for a, b in zip(expected, found, strict=True)]
    a, b = (x[0].reshape(len(x[0]), -1).astype(np.float64) for x in (expected, found))
    close = np.linalg.norm(b - a, axis=1) <= RELATIVE_ERROR * np.linalg.norm(a, axis=1) + 1e-6
    # A NaN on one side only is no agreement, and argmax would not see it.
    comparable = close if not _has_classes(expected[0], stepwise) else (np.isnan(a) == np.isnan(b)).all(1)
    same_class = comparable.astype(float)
    if _has_classes(expected[0], stepwise):
        same = expected[0].argmax(-1) == found[0].argmax(-1)
        same_class *= same.reshape(len(same), -1).mean(1)
    return _Comparison(same_class, close, max(float(d.max(initial=0.0)) for d in differences))


def _has_classes(scores: NDArray, stepwise: bool) -> bool:
    return scores.ndim == (3 if stepwise else 2) and scores.shape[-1] > 1
