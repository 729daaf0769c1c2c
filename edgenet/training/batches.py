"""Batches of training data in an order that seed and epoch alone decide."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from edgenet.tasks import DataSet, Ragged, SequenceDataSet, SequenceSplit, Split
from edgenet.training.objectives import TensorBatch
from edgenet.training.word_dropout import WordDropout

_POOL = 20  # batches whose samples are sorted by length together: little padding, and yet another mix each epoch


class Batches:
    """Iterates over one epoch, shuffled, images moved at random by up to `shift` pixels and, with `flip`, mirrored.

    `epoch()` tells which epoch it is. Order, shifts and flips depend on nothing but the seed and that number, so that a
    resumed training sees what an uninterrupted one would have seen. All samples are used; batches differ by one
    sample at most, so that batch normalisation never meets a lone one.
    """

    def __init__(
        self, split: Split, batch_size: int, seed: int, shift: int, epoch: Callable[[], int], flip: bool = False
    ) -> None:
        self.split, self.seed, self.shift, self.epoch, self.flip = split, seed, shift, epoch, flip
        self.count = max(1, len(split) // batch_size)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[TensorBatch]:
        generator = np.random.default_rng([self.seed, self.epoch()])
        for indices in np.array_split(generator.permutation(len(self.split)), self.count):
            inputs = torch.from_numpy(self._inputs(indices, generator))
            if inputs.dim() == 4:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            yield TensorBatch(inputs, torch.from_numpy(self.split.targets[indices]))

    def _inputs(self, indices: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.float32]:
        inputs = self.split.inputs(indices)
        if self.shift and inputs.ndim == 4:
            inputs = shift_images(inputs, self.shift, generator)
        if self.flip and inputs.ndim == 4:
            mirrored = generator.integers(0, 2, len(inputs), np.bool_)
            inputs[mirrored] = inputs[mirrored, :, :, ::-1]
        return inputs


def shift_images(images: NDArray[np.float32], shift: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Images [N, C, H, W], each moved by up to `shift` pixels either way; its edges are drawn out."""
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (shift,) * 2, (shift,) * 2), mode="edge")
    corners = generator.integers(0, 2 * shift + 1, (len(images), 2))
    return np.stack([
        image[:, top : top + height, left : left + width]
        for image, (top, left) in zip(padded, corners, strict=True)
    ])  # fmt: skip


class SequenceBatches:
    """Iterates over one epoch of samples of unequal lengths, shuffled, those of a batch about as long as each other.

    Order by seed and epoch, sizes of the batches, and shifts, those of images of one size, as for `Batches`; so are
    the tokens that `word_dropout` replaces.
    """

    def __init__(
        self, split: SequenceSplit, batch_size: int, seed: int, shift: int, epoch: Callable[[], int],
        word_dropout: WordDropout | None = None,
    ) -> None:  # fmt: skip
        self.split, self.seed, self.shift, self.epoch, self.word_dropout = split, seed, shift, epoch, word_dropout
        self.count = max(1, len(split) // batch_size)
        raw, targets = split.raw, split.targets
        self._lengths = np.zeros((2, len(split)), np.int64)
        # Images of one size are sorted by what is said of them, and nothing else by that alone.
        self._lengths[1] = raw.lengths if isinstance(raw, Ragged) else 0
        self._lengths[0] = targets.lengths if isinstance(targets, Ragged) else 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[TensorBatch]:
        generator = np.random.default_rng([self.seed, self.epoch()])
        drawn = np.array_split(generator.permutation(len(self.split)), self.count)
        batches: list[NDArray[np.int64]] = []
        for start in range(0, self.count, _POOL):
            pool = np.concatenate(drawn[start : start + _POOL])
            by_length = pool[np.lexsort(self._lengths[:, pool])]
            batches += np.array_split(by_length, len(drawn[start : start + _POOL]))
        for index in generator.permutation(self.count):
            batch = self.split.batch(batches[index])
            if self.shift and not isinstance(self.split.raw, Ragged):
                batch = replace(batch, inputs=shift_images(batch.inputs, self.shift, generator))
            if self.word_dropout is not None:
                batch = replace(batch, inputs=self.word_dropout(batch.inputs, generator))
            yield TensorBatch.of(batch)


AnyBatches = Batches | SequenceBatches


def calibration_batch(data: DataSet | SequenceDataSet, samples: int = 256) -> TensorBatch:
    """Samples spread evenly over the training data: the same ones each time."""
    split = data.train
    indices = np.unique(np.linspace(0, len(split) - 1, samples).astype(np.int64))
    if isinstance(split, SequenceSplit):
        return TensorBatch.of(split.batch(indices))
    return TensorBatch(torch.from_numpy(split.inputs(indices)), torch.from_numpy(split.targets[indices]))
