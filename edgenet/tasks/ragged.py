"""Arrays of unequal lengths, stored end to end."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64] | slice


@dataclass(frozen=True)
class Ragged:
    """N samples of unequal lengths: `values` [sum of lengths, ...] end to end, `lengths` [N].

    `values` of a text that was cut into lines is the text again: what truncated back-propagation walks along.
    """

    values: NDArray[Any]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, samples: Iterable[NDArray[Any]]) -> "Ragged":
        """Put at least one sample [T, ...] end to end; all but the first axis are equal."""
        samples = list(samples)
        return cls(np.concatenate(samples), np.array([len(sample) for sample in samples], np.int64))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths)])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Sample [T, ...], a view."""
        index = range(len(self))[index]
        return self.values[self._starts[index] : self._starts[index + 1]]

    def take(self, indices: Indices) -> "Ragged":
        """Those samples, in that order."""
        chosen = np.arange(len(self))[indices]
        lengths = self.lengths[chosen]
        # The place of each value in `values`: its sample's start and its step within the sample.
        steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return Ragged(self.values[np.repeat(self._starts[chosen], lengths) + steps], lengths)

    def padded(self) -> NDArray[Any]:
        """All samples as one array [N, longest, ...] with zeros behind the shorter ones."""
        longest = int(self.lengths.max(initial=0))
        array = np.zeros((len(self), longest, *self.values.shape[1:]), self.values.dtype)
        array[np.arange(longest) < self.lengths[:, None]] = self.values
        return array
