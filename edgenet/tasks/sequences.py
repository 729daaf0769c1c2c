"""What a data set of sequences of unequal lengths is, beside `DataSet` for images and fixed sequences."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenet.tasks.ragged import Indices, Ragged
from edgenet.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class Batch:
    """Samples as a network takes them, padded with zeros behind; `lengths` say where padding begins.

    inputs
        int64 [N, T] token ids, float32 [N, T, F] features, or float32 [N, C, H, W] images.
    lengths
        int64 [N]: steps of T, or columns of W, that are no padding.
    targets
        int64 [N] classes, or [N, L] ids, padded with 0.
    target_lengths
        int64 [N]: ids of L that are no padding; 1 for classes.
    """

    inputs: NDArray[Any]
    lengths: NDArray[np.int64]
    targets: NDArray[np.int64]
    target_lengths: NDArray[np.int64]


@dataclass(frozen=True)
class SequenceSplit:
    """Samples of unequal lengths and their targets; `batch` gives them as a network takes them.

    raw
        Ragged tokens int64 [T], ragged features float32 [T, F], ragged images by column uint8 [W, C, H], or images of
        one size uint8 [N, C, H, W].
    targets
        int64 [N] classes; or ragged ids [L]: a class a step (sequence-labelling, L = T); the next token
        (language-modelling, L = T); characters without marks (string-recognition); begin, tokens, end
        (sequence-to-sequence and image-captioning: a decoder reads [:-1] and is to say [1:]).
    references
        Of each sample the right answers as text, such as all pronunciations of a word; empty for classes.
    mean, std
        [F], [C], or None for tokens; of the training split.
    """

    raw: Ragged | NDArray[np.uint8]
    targets: Ragged | NDArray[np.int64]
    references: tuple[tuple[str, ...], ...] = ()
    mean: NDArray[np.float32] | None = None
    std: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: Indices) -> "SequenceSplit":
        """Those samples alone, such as a part of the training split to validate on."""
        raw = self.raw.take(indices) if isinstance(self.raw, Ragged) else self.raw[indices]
        targets = self.targets.take(indices) if isinstance(self.targets, Ragged) else self.targets[indices]
        chosen = np.arange(len(self))[indices] if self.references else ()
        return SequenceSplit(raw, targets, tuple(self.references[index] for index in chosen), self.mean, self.std)

    def batch(self, indices: Indices = slice(None)) -> Batch:
        """All samples, or those of `indices`, padded to the longest of them.

        Images become `(raw / 255 - mean) / std`, features `(raw - mean) / std`; padding is 0 after that.
        """
        if isinstance(self.raw, Ragged):
            samples = self.raw.take(indices)
            lengths = samples.lengths
            inputs = Ragged(self._normalise(samples.values), lengths).padded()
            if inputs.ndim == 4:  # columns [N, W, C, H] -> [N, C, H, W]
                inputs = np.ascontiguousarray(inputs.transpose(0, 2, 3, 1))
        else:
            images = self.raw[indices]
            inputs = self._normalise(images)
            lengths = np.full(len(images), images.shape[3], np.int64)
        if isinstance(self.targets, Ragged):
            targets = self.targets.take(indices)
            return Batch(inputs, lengths, targets.padded(), targets.lengths)
        classes = self.targets[indices]
        return Batch(inputs, lengths, classes, np.ones(len(classes), np.int64))

    def _normalise(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.mean is None or self.std is None:
            return values
        if values.dtype != np.uint8:
            return (values - self.mean) / self.std
        # [..., C, H] by column, [N, C, H, W] for images of one size.
        shape = (-1, 1) if values.ndim == 3 else (-1, 1, 1)
        return values * (1 / (255 * self.std)).reshape(shape) - (self.mean / self.std).reshape(shape)


@dataclass(frozen=True)
class SequenceDataSet:
    """A data set of sequences, split; vocabularies know the training split only.

    classes
        Names of the targets' classes (sequence-classification, sequence-labelling), else empty.
    source_vocabulary, target_vocabulary
        Of token inputs and of targets that are ids; None where there are none.
    further
        Test splits beside `test`, by name, such as longer strings than any in training.
    preprocessing
        Tells an app how to make a sample.
    files
        Which of the user's files went where: {"train": [...], "test": [...]}.
    metric
        What answers are measured in, where the task alone does not say; see `edgenet.tasks.measures`.
    """

    name: str
    task: str
    train: SequenceSplit
    test: SequenceSplit
    validation: SequenceSplit | None = None
    classes: list[str] = field(default_factory=list)
    source_vocabulary: Vocabulary | None = None
    target_vocabulary: Vocabulary | None = None
    preprocessing: dict[str, Any] = field(default_factory=dict)
    further: dict[str, SequenceSplit] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)
    metric: str = ""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of one sample in a batch, None where lengths differ: (None,), (None, F), (C, H, None) or (C, H, W)."""
        raw = self.train.raw
        if not isinstance(raw, Ragged):
            return raw.shape[1:]
        inner = raw.values.shape[1:]
        return (*inner, None) if len(inner) == 2 else (None, *inner)

    @property
    def output_size(self) -> int:
        """Numbers a network gives for a sample or a step: classes, or ids of the target vocabulary."""
        return len(self.target_vocabulary) if self.target_vocabulary is not None else len(self.classes)

    def save_vocabularies(self, folder: Path) -> None:
        """Write `source-vocabulary.json` and `target-vocabulary.json` into a run folder, those that there are."""
        for name, vocabulary in (("source", self.source_vocabulary), ("target", self.target_vocabulary)):
            if vocabulary is not None:
                vocabulary.save(folder / f"{name}-vocabulary.json")


def feature_statistics(features: Ragged) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation [F] over all steps; a feature that never changes gets 1."""
    mean, std = features.values.mean(0, dtype=np.float64), features.values.std(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(std > 0, std, 1.0).astype(np.float32)


def encode_all(vocabulary: Vocabulary, texts: Sequence[str], marks: bool = False) -> Ragged:
    """The ids of each text, with begin and end around them where `marks`."""
    return Ragged.of([vocabulary.encode(text, marks) for text in texts])
