"""The held-out samples of a run folder, `samples.npz`, and how good answers to them are."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.tasks import measures, metrics
from edgenet.tasks.catalog import IMAGES, LABELLING, LANGUAGE, SEQUENCES
from edgenet.tasks.dataset import DataSet
from edgenet.tasks.ragged import Ragged
from edgenet.tasks.sequences import SequenceDataSet
from edgenet.tasks.vocabulary import BEGIN, END, UNKNOWN, Vocabulary

Answers = Sequence[Any]
_RARE = 0.25  # of two classes one below this share: a network that never names it would look good by its accuracy


@dataclass(frozen=True)
class HeldOut:
    """Samples as a network takes them and what they are measured by; a device needs nothing else of a data set.

    inputs
        [N, ...]: float32, or int64 token ids; where samples differ in length they are padded with zeros.
    targets
        int64 [N] classes, or [N, L] ids padded with 0, as in `edgenet.tasks.Batch`.
    lengths, target_lengths
        int64 [N], what of them is no padding; None where all samples are of one size.
    references, owners
        int64 [R, L] and [R]: all right answers, padded with 0, and whose they are; -1 is a token that the vocabulary
        lacks. None where targets are classes.
    task, metric
        A name of `edgenet.tasks.catalog.TASKS`, and one of `edgenet.tasks.measures`.
    positive
        The class whose F1 is measured.
    begin, end
        Ids of the marks that a decoder reads first and says last; -1 where there are none.
    """

    inputs: NDArray[Any]
    targets: NDArray[np.int64]
    lengths: NDArray[np.int64] | None = None
    target_lengths: NDArray[np.int64] | None = None
    references: NDArray[np.int64] | None = None
    owners: NDArray[np.int64] | None = None
    task: str = IMAGES
    metric: str = measures.TOP1
    positive: int = 0
    begin: int = -1
    end: int = -1

    @classmethod
    def of(cls, data: DataSet | SequenceDataSet) -> "HeldOut":
        """The test split of a data set."""
        if isinstance(data, DataSet):
            return cls(data.test.inputs(), data.test.targets)
        metric, positive = choose_metric(data)
        batch = data.test.batch()
        held_out = cls(
            batch.inputs, batch.targets, batch.lengths, batch.target_lengths, task=data.task, metric=metric,
            positive=positive, begin=_mark(data.target_vocabulary, BEGIN), end=_mark(data.target_vocabulary, END),
        )  # fmt: skip
        if not data.test.references or data.target_vocabulary is None:
            return held_out
        vocabulary = data.target_vocabulary
        right = [_known_ids(vocabulary, text) for texts in data.test.references for text in texts]
        counts = [len(texts) for texts in data.test.references]
        owners = np.repeat(np.arange(len(counts)), counts)
        return replace(held_out, references=Ragged.of(right).padded(), owners=owners)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def most_steps(self) -> int:
        """Where decoding stops that finds no end: twice the longest target."""
        return 2 * self.targets.shape[-1]

    def part(self, rows: slice) -> "HeldOut":
        """Those samples, padded to the longest of them."""
        inputs, targets = self.inputs[rows], self.targets[rows]
        references, owners = self._references_of(rows)
        if self.lengths is None or self.target_lengths is None:
            return replace(self, inputs=inputs, targets=targets, references=references, owners=owners)
        lengths, target_lengths = self.lengths[rows], self.target_lengths[rows]
        longest = int(lengths.max())
        inputs = inputs[..., :longest] if inputs.ndim == 4 else inputs[:, :longest]
        targets = targets[:, : int(target_lengths.max())] if targets.ndim == 2 else targets
        return replace(
            self, inputs=np.ascontiguousarray(inputs), targets=targets, lengths=lengths,
            target_lengths=target_lengths, references=references, owners=owners,
        )  # fmt: skip

    def _references_of(self, rows: slice) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
        if self.references is None or self.owners is None:
            return None, None
        chosen = np.arange(len(self))[rows]
        own = np.isin(self.owners, chosen)
        places = np.zeros(len(self), np.int64)
        places[chosen] = np.arange(len(chosen))
        return self.references[own], places[self.owners[own]]

    def typical(self) -> "HeldOut":
        """One sample, of the middle length: what a network is timed on."""
        index = 0 if self.lengths is None else int(np.argsort(self.lengths, kind="stable")[len(self) // 2])
        return self.part(slice(index, index + 1))

    def value(self, answers: Answers) -> float:
        """How good answers are, in the metric's own unit.

        answers
            One a sample: a class; for frame accuracy the classes of its steps; for bits the negative log-likelihood of
            its targets in nats; else a list of ids.
        """
        if self.metric == measures.TOP1:
            return metrics.top1(answers, self.targets)
        if self.metric == measures.F1:
            return metrics.f1(answers, self.targets, self.positive)
        if self.metric == measures.FRAMES:
            steps = Ragged.of([np.asarray(answer) for answer in answers])
            return metrics.frame_accuracy(steps.padded(), self.targets, steps.lengths)
        if self.metric in (measures.CHARACTER_BITS, measures.TOKEN_BITS):
            assert self.target_lengths is not None
            return metrics.bits_per_character(answers, int(self.target_lengths.sum()))
        found, right = [tuple(answer) for answer in answers], self._right_answers()
        if self.metric == measures.EXACT:
            return metrics.exact_match(found, right)
        if self.metric == measures.BLEU:
            # Tokens are parted already, and BLEU asks of them no more than whether they are equal.
            return metrics.bleu([_joined(ids) for ids in found], [[*map(_joined, ids)] for ids in right], True)
        return metrics.error_rate(found, right)

    def _right_answers(self) -> list[list[tuple[int, ...]]]:
        assert self.references is not None
        assert self.owners is not None
        right: list[list[tuple[int, ...]]] = [[] for _ in range(len(self))]
        for ids, owner in zip(self.references.tolist(), self.owners.tolist(), strict=True):
            right[owner].append(tuple(index for index in ids if index))
        return right

    def save(self, path: Path) -> None:
        """Write `samples.npz`, an array a field, without those that are None; of samples of one size inputs and
        targets alone."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.lengths is None:
            content = {"inputs": self.inputs, "targets": self.targets}

        def write(temporary: Path) -> None:
            # To a path without .npz numpy would add it.
            with temporary.open("wb") as stream:
                np.savez_compressed(stream, **{name: value for name, value in content.items() if value is not None})

        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, write)

    @classmethod
    def load(cls, path: str | Path) -> "HeldOut":
        """Read what `save` wrote. Raises EdgenetError where the file is damaged, or holds something else."""
        try:
            with np.load(path) as archive:
                content = {name: archive[name] for name in archive.files}
            # Names and numbers come back as arrays without an axis.
            return cls(**{name: value.item() if value.ndim == 0 else value for name, value in content.items()})
        except Exception as error:  # numpy and zipfile raise half a dozen types for a file that is something else
            raise EdgenetError(
                f"{path} holds no samples ({type(error).__name__}); remove it, or let edgenet binarize --resume "
                "write it."
            ) from error


def choose_metric(data: SequenceDataSet) -> tuple[str, int]:
    """The metric of a data set, by its task and, for F1, the class that counts.

    Of two classes, one of which has less than a quarter of the training samples, it is that one's F1, else top-1
    accuracy; of texts in words it is BLEU, of spelled ones exact match.
    """
    if data.metric:
        return data.metric, 0
    if data.task == SEQUENCES:
        counts = np.bincount(np.asarray(data.train.targets), minlength=len(data.classes))
        rare = len(counts) == 2 and counts.min() < _RARE * counts.sum()
        return (measures.F1, int(counts.argmin())) if rare else (measures.TOP1, 0)
    if data.task == LABELLING:
        return measures.FRAMES, 0
    spelled = data.target_vocabulary is not None and data.target_vocabulary.unit == "character"
    if data.task == LANGUAGE:
        return (measures.CHARACTER_BITS if spelled else measures.TOKEN_BITS), 0
    return (measures.EXACT if spelled else measures.BLEU), 0


def _mark(vocabulary: Vocabulary | None, mark: str) -> int:
    return vocabulary.tokens.index(mark) if vocabulary is not None and mark in vocabulary.tokens else -1


def _known_ids(vocabulary: Vocabulary, text: str) -> NDArray[np.int64]:
    """The ids of a right answer; a token that is not known is one that no network can say."""
    ids = vocabulary.encode(text)
    return np.where(ids == _mark(vocabulary, UNKNOWN), -1, ids)


def _joined(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))
