"""What a language model has to beat: an interpolated n-gram model of the same training text, on the same test text."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgenet.tasks.ragged import Ragged
from edgenet.tasks.sequences import SequenceDataSet, SequenceSplit

ORDER = 5
Tokens = NDArray[np.int64]


class WittenBell:
    """An n-gram model whose every order is interpolated with the next lower one (Witten and Bell 1991, method C).

    `p(c | h) = (n(h c) + t(h) p(c | h')) / (n(h) + t(h))`: n counts, t(h) is the number of different tokens seen after
    h, h' is h without its first token; below the order 1 all of `vocabulary` tokens are alike. Chen and Goodman 1999
    compare it with others (An empirical study of smoothing techniques for language modeling).
    """

    def __init__(self, lines: Sequence[Tokens], vocabulary: int, order: int = ORDER) -> None:
        self.vocabulary, self.order = vocabulary, order
        self._counts: list[dict[tuple[int, ...], dict[int, int]]] = [
            defaultdict(lambda: defaultdict(int)) for _ in range(order)
        ]
        for line in lines:
            tokens = line.tolist()
            for place in range(1, len(tokens)):
                for length in range(min(order, place + 1)):
                    self._counts[length][tuple(tokens[place - length : place])][tokens[place]] += 1
        self._totals = [{history: sum(after.values()) for history, after in table.items()} for table in self._counts]

    def probability(self, token: int, history: Sequence[int]) -> float:
        """Of a token after the tokens before it, of which the last `order - 1` matter."""
        found = 1 / self.vocabulary
        for length in range(min(self.order, len(history) + 1)):
            own = tuple(history[len(history) - length :])
            after = self._counts[length].get(own)
            if after is None:
                break
            kinds = len(after)
            found = (after.get(token, 0) + kinds * found) / (self._totals[length][own] + kinds)
        return found

    def bits(self, lines: Sequence[Tokens]) -> float:
        """Bits a token of lines, each from its begin mark to its end mark; the begin is not counted, the end is."""
        total, count = 0.0, 0
        for line in lines:
            tokens = line.tolist()
            for place in range(1, len(tokens)):
                total -= math.log2(self.probability(tokens[place], tokens[max(0, place - self.order + 1) : place]))
            count += len(tokens) - 1
        return total / count


def ngram_bits(data: SequenceDataSet) -> float:
    """Bits a token of a language model's test split by the n-gram model of its training split, ends counted."""
    model = WittenBell(marked_lines(data.train), data.output_size)
    return model.bits(marked_lines(data.test))


def marked_lines(split: SequenceSplit) -> list[Tokens]:
    """The lines of a language model's split, from begin mark to end mark."""
    raw, targets = split.raw, split.targets
    assert isinstance(raw, Ragged)
    assert isinstance(targets, Ragged)
    return [np.append(raw[index], targets[index][-1]) for index in range(len(split))]
