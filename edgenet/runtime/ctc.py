"""Strings out of connectionist temporal classification: the best path, or the best string. In numpy alone."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgenet.errors import EdgenetError
from edgenet.runtime.decoding import log_softmax

BLANK = 0
Prefix = tuple[int, ...]
Ends = tuple[float, float]


def ctc_greedy(logits: ArrayLike, lengths: ArrayLike | None = None, blank: int = BLANK) -> list[list[int]]:
    """The most likely class of each step, repeats merged, then blanks removed (Graves et al. 2006, best path decoding).

    logits [N, T, classes]; lengths [N] of T that are real, None for all. Returns a list of classes a sample. Raises
    EdgenetError for logits of another rank.
    """
    scores, steps = _checked(logits, lengths)
    strings = []
    for best, count in zip(scores.argmax(2), steps, strict=True):
        path = best[:count]
        changes = np.flatnonzero(np.diff(path, prepend=-1))
        strings.append([int(label) for label in path[changes] if label != blank])
    return strings


def ctc_beam(
    logits: ArrayLike, lengths: ArrayLike | None = None, width: int = 16, blank: int = BLANK
) -> list[list[int]]:
    """The most likely string of each sample, over all paths that mean it, by prefix beam search.

    A prefix keeps apart the probability of its paths that end in a blank and of those that don't, for only the first
    can take the same character again (Graves et al. 2006, section 3.2; Hannun et al. 2014, arXiv:1408.2873, algorithm
    1, without a language model). `width` prefixes live on after each step. Arguments, result and errors otherwise as
    for `ctc_greedy`.
    """
    scores, steps = _checked(logits, lengths)
    if width < 1:
        raise EdgenetError(f"a beam of {width} prefixes keeps nothing: use 1 or more")
    return [
        _best_string(log_softmax(sample[:count]), width, blank) for sample, count in zip(scores, steps, strict=True)
    ]


def _best_string(log_probabilities: NDArray[np.float64], width: int, blank: int) -> list[int]:
    # By prefix: the log probability of its paths that end in a blank, and of the others.
    beam: dict[Prefix, Ends] = {(): (0.0, -np.inf)}
    for step in log_probabilities:
        following: dict[Prefix, Ends] = {}

        def add(prefix: Prefix, in_blank: float, in_label: float, found: dict[Prefix, Ends] = following) -> None:
            before = found.get(prefix, (-np.inf, -np.inf))
            found[prefix] = (float(np.logaddexp(before[0], in_blank)), float(np.logaddexp(before[1], in_label)))

        for prefix, (in_blank, in_label) in beam.items():
            either = _total((in_blank, in_label))
            add(prefix, either + step[blank], in_label + step[prefix[-1]] if prefix else -np.inf)
            for label, score in enumerate(step.tolist()):
                if label != blank:
                    source = in_blank if prefix and label == prefix[-1] else either
                    add((*prefix, label), -np.inf, source + score)
        ranked = sorted(following.items(), key=lambda entry: -_total(entry[1]))
        beam = dict(ranked[:width])
    return list(max(beam.items(), key=lambda entry: _total(entry[1]))[0])


def _total(ends: Ends) -> float:
    return float(np.logaddexp(*ends))


def _checked(logits: ArrayLike, lengths: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    scores = np.asarray(logits, np.float64)
    if scores.ndim != 3:
        raise EdgenetError(f"CTC decodes logits [samples, steps, classes], got {list(scores.shape)}")
    steps = np.full(len(scores), scores.shape[1]) if lengths is None else np.asarray(lengths, np.int64)
    return scores, steps
