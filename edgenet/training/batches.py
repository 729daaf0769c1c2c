"""Batches of training data in an order that seed and epoch alone decide."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgenet.tasks import Split


class Batches:
    """Iterates over one epoch: (inputs, targets), shuffled, images moved at random by up to `shift` pixels.

    `epoch()` tells which epoch it is. Order and shifts depend on nothing but the seed and that number, so that a
    resumed training sees what an uninterrupted one would have seen. All samples are used; batches differ by one
    sample at most, so that batch normalisation never meets a lone one.
    """

    def __init__(self, split: Split, batch_size: int, seed: int, shift: int, epoch: Callable[[], int]) -> None:
        self.split, self.seed, self.shift, self.epoch = split, seed, shift, epoch
        self.count = max(1, len(split) // batch_size)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = np.random.default_rng([self.seed, self.epoch()])
        for indices in np.array_split(generator.permutation(len(self.split)), self.count):
            inputs = torch.from_numpy(self._inputs(indices, generator))
            if inputs.dim() == 4:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            yield inputs, torch.from_numpy(self.split.targets[indices])

    def _inputs(self, indices: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.float32]:
        inputs = self.split.inputs(indices)
        if not self.shift or inputs.ndim != 4:
            return inputs
        height, width = inputs.shape[2:]
        padded = np.pad(inputs, ((0, 0), (0, 0), (self.shift,) * 2, (self.shift,) * 2), mode="edge")
        corners = generator.integers(0, 2 * self.shift + 1, (len(indices), 2))
        return np.stack([
            image[:, top : top + height, left : left + width]
            for image, (top, left) in zip(padded, corners, strict=True)
        ])  # fmt: skip


def calibration_batch(split: Split, samples: int = 256) -> Tensor:
    """Inputs spread evenly over the training data: the same ones each time."""
    indices = np.unique(np.linspace(0, len(split) - 1, samples).astype(np.int64))
    return torch.from_numpy(split.inputs(indices))
