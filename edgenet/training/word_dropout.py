"""Tokens of the training texts that are replaced by `<unk>` at random, the rare ones most often."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.ragged import Ragged
from edgenet.tasks.sequences import SequenceDataSet
from edgenet.tasks.vocabulary import MARKS, UNKNOWN


@dataclass(frozen=True)
class WordDropout:
    """A token is replaced with probability `a / (a + its count in the training split)`; padding and marks never are.

    So the network learns what to make of tokens that it will not know, and cannot learn samples by heart by the few
    tokens that no other has (Kiperwasser and Goldberg 2016, arXiv:1603.04351, section 4.2).
    """

    probabilities: NDArray[np.float64]
    unknown: int

    @classmethod
    def of(cls, data: SequenceDataSet, a: float) -> "WordDropout":
        """For a data set's own counts. Raises EdgenetError for inputs that are no tokens, or with no `<unk>`."""
        vocabulary, raw = data.source_vocabulary, data.train.raw
        if vocabulary is None or UNKNOWN not in vocabulary.tokens or not isinstance(raw, Ragged):
            raise EdgenetError(
                f"word dropout replaces tokens by {UNKNOWN}, and the inputs of {data.name} have none: "
                "use a recipe with word_dropout 0"
            )
        counts = np.bincount(raw.values, minlength=len(vocabulary))
        probabilities: NDArray[np.float64] = a / (a + counts.astype(np.float64))
        probabilities[[index for index, token in enumerate(vocabulary.tokens) if token in MARKS]] = 0.0
        return cls(probabilities, vocabulary.tokens.index(UNKNOWN))

    def __call__(self, tokens: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        """Of tokens [N, T] a copy, some replaced."""
        return np.where(generator.random(tokens.shape) < self.probabilities[tokens], self.unknown, tokens)
