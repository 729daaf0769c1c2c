"""How good answers are. Fractions from 0 to 1, but for BLEU (0 to 100) and bits a character."""

from collections.abc import Hashable, Sequence
from math import log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from edgenet.errors import EdgenetError

Tokens = Sequence[Hashable]


def top1(predictions: ArrayLike, targets: ArrayLike) -> float:
    """Share of classes [N] that are right."""
    return float(np.mean(np.asarray(predictions) == np.asarray(targets)))


def f1(predictions: ArrayLike, targets: ArrayLike, positive: int) -> float:
    """F1 of one class: `2 TP / (2 TP + FP + FN)`, the harmonic mean of precision and recall; 0 where none is right."""
    predicted, actual = np.asarray(predictions) == positive, np.asarray(targets) == positive
    hits = np.sum(predicted & actual)
    return float(2 * hits / (predicted.sum() + actual.sum())) if hits else 0.0


def frame_accuracy(predictions: ArrayLike, targets: ArrayLike, lengths: ArrayLike) -> float:
    """Share of steps that are right of predictions and targets [N, T], of which the first `lengths` [N] count."""
    right = np.asarray(predictions) == np.asarray(targets)
    counts = np.arange(right.shape[1]) < np.asarray(lengths)[:, None]
    return float(right[counts].mean())


def edit_distance(one: Tokens, other: Tokens) -> int:
    """Fewest insertions, deletions and substitutions that turn one sequence into the other (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for count, token in enumerate(one, 1):
        diagonal, row[0] = row[0], count
        for index, wanted in enumerate(other, 1):
            best = min(row[index] + 1, row[index - 1] + 1, diagonal + (token != wanted))
            diagonal, row[index] = row[index], best
    return row[-1]


def error_rate(predictions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """Edits by length of the references: the phoneme, character or word error rate, by what the tokens are.

    Of several references of a sample the one with the smallest rate counts, as is usual for words that have several
    pronunciations. 0 is best; above 1 there are more errors than tokens.
    """
    edits = length = 0
    for predicted, right in zip(predictions, references, strict=True):
        distances = [(edit_distance(predicted, reference), len(reference)) for reference in right]
        distance, size = min(distances, key=lambda pair: (pair[0] / max(1, pair[1]), pair[0]))
        edits, length = edits + distance, length + size
    return edits / length


def exact_match(predictions: Sequence[Hashable], references: Sequence[Sequence[Hashable]]) -> float:
    """Share of predictions that are equal to one of their references."""
    return float(np.mean([found in right for found, right in zip(predictions, references, strict=True)]))


def bits_per_character(nats: ArrayLike, characters: int) -> float:
    """Negative log-likelihoods (natural logarithm, any shape) summed, in bits, over the characters they stand for.

    The end of a line is a character too. A model of words is divided by its characters, not its words.
    """
    return float(np.sum(np.asarray(nats, np.float64))) / (log(2) * characters)


def bleu(predictions: Sequence[str], references: Sequence[Sequence[str]], tokenised: bool = False) -> float:
    """Corpus BLEU-4, 0 to 100, by sacrebleu (Papineni et al. 2002; Post 2018, arXiv:1804.08771).

    `tokenised` says that white space parts the tokens already, else sacrebleu's own tokenizer, 13a, does. Raises
    EdgenetError where sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise EdgenetError(
            "BLEU needs sacrebleu, not installed here: pip install '.[data]' in a clone of edgenet"
        ) from error
    most = max(map(len, references))
    # sacrebleu wants the first reference of every sample, then the second, ...; None where a sample has no more.
    streams: list[Any] = [
        [right[index] if index < len(right) else None for right in references] for index in range(most)
    ]
    metric = BLEU(tokenize="none" if tokenised else "13a", force=tokenised)
    return float(metric.corpus_score(list(predictions), streams).score)
