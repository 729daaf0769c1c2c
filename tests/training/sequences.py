"""Tiny sequences, each of which a network learns in seconds, as splits and as files."""

from pathlib import Path

import numpy as np

from edgenet.tasks import Ragged, SequenceDataSet, SequenceSplit, Vocabulary
from edgenet.tasks.catalog import LABELLING, STRINGS, TRANSDUCTION

WORDS = ("sun", "moon", "star", "sky", "sea", "sand")


def write_messages(path: Path, count: int = 120) -> Path:
    """A table of messages in which one word, anywhere, decides the class; one in six is of the rare one."""
    random = np.random.default_rng(0)
    lines = []
    for index in range(count):
        words = list(random.choice(WORDS, random.integers(3, 9)))
        label = "rare" if index % 6 == 0 else "usual"
        words[random.integers(len(words))] = "prize" if label == "rare" else "home"
        lines.append(f"{label}\t{' '.join(words)} {index % 7}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_rhymes(path: Path, count: int = 150) -> Path:
    """Lines in which each letter but the first follows from the one before it."""
    random = np.random.default_rng(0)
    lines = {("abcd" * 4)[start : start + size] for start in range(4) for size in range(3, 12)}
    path.write_text("\n".join(random.choice(sorted(lines), count)) + "\n")
    return path


def frames(count: int = 60) -> SequenceDataSet:
    """Noise about -1 and 1; the label of a step is the sign of what it is about."""
    random = np.random.default_rng(0)
    labels = [random.integers(0, 2, random.integers(4, 12)) for _ in range(count)]
    steps = [(2 * label[:, None] - 1 + random.normal(0, 0.4, (len(label), 3))).astype(np.float32) for label in labels]
    split = SequenceSplit(Ragged.of(steps), Ragged.of(labels), mean=np.zeros(3, np.float32), std=np.ones(3, np.float32))
    return SequenceDataSet(
        "frames", LABELLING, split.take(slice(12, None)), split.take(slice(12)), classes=["low", "high"]
    )


def bars(count: int = 80) -> SequenceDataSet:
    """Pictures 16 high of bars at the top (a) or the bottom (b), two to four of them."""
    random = np.random.default_rng(0)
    pictures, strings = [], []
    for _ in range(count):
        ids = random.integers(1, 3, random.integers(2, 5))
        columns = np.zeros((16 * len(ids), 1, 16), np.uint8)
        for place, index in enumerate(ids):
            columns[16 * place + 3 : 16 * place + 13, 0, (1 if index == 1 else 9) : (7 if index == 1 else 15)] = 255
        pictures.append(columns)
        strings.append(ids)
    vocabulary = Vocabulary("character", ("<pad>", "a", "b"))
    texts = tuple((vocabulary.decode(ids),) for ids in strings)
    mean, std = np.array([0.3], np.float32), np.array([0.4], np.float32)
    split = SequenceSplit(Ragged.of(pictures), Ragged.of(strings), texts, mean, std)
    return SequenceDataSet(
        "bars", STRINGS, split.take(slice(16, None)), split.take(slice(16)), target_vocabulary=vocabulary
    )


def capitals(count: int = 80) -> SequenceDataSet:
    """Strings of a, b and c, and the same in capitals."""
    random = np.random.default_rng(0)
    small = Vocabulary.build(["abc"], "character")
    large = Vocabulary.build(["ABC"], "character")
    texts = ["".join(random.choice(list("abc"), random.integers(2, 6))) for _ in range(count)]
    split = SequenceSplit(
        Ragged.of([small.encode(text) for text in texts]),
        Ragged.of([large.encode(text.upper(), marks=True) for text in texts]),
        tuple((text.upper(),) for text in texts),
    )
    return SequenceDataSet(
        "capitals", TRANSDUCTION, split.take(slice(16, None)), split.take(slice(16)), source_vocabulary=small,
        target_vocabulary=large,
    )  # fmt: skip


def write_capitals(folder: Path, count: int = 240) -> Path:
    """Parallel texts: strings of a, b and c, and the same in capitals."""
    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("abc"), random.integers(2, 6))) for _ in range(count)]
    folder.mkdir()
    (folder / "train.small").write_text("\n".join(texts) + "\n")
    (folder / "train.large").write_text("\n".join(texts).upper() + "\n")
    return folder
