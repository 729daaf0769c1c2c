"""Sentences with a label for each token: one token a line, an empty line between sentences."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import LABELLING
from edgenet.tasks.ragged import Ragged
from edgenet.tasks.sequences import SequenceDataSet, SequenceSplit, encode_all
from edgenet.tasks.splits import hold_out
from edgenet.tasks.tables import SPLITS, read_lines
from edgenet.tasks.vocabulary import Vocabulary

SUFFIXES = (".conll", ".bio", ".iob", ".iob2")
_READ = (*SUFFIXES, ".tsv", ".txt")
_DOCUMENT = "-DOCSTART-"  # of the CoNLL 2003 task: no token of a sentence
Sentence = tuple[tuple[str, ...], tuple[str, ...]]
"""Tokens and their labels."""


def load_tagged_text(
    path: Path, *, minimum_count: int = 2, maximum_size: int | None = None, share: float = 0.2, seed: int = 0
) -> SequenceDataSet:
    """Sentences as token ids [T] and a class a token [T].

    path
        A file of lines `token<TAB>label`, or of columns parted by tabs or spaces of which the first is the token and
        the last its label (CoNLL), with an empty line behind each sentence, split by `share` and `seed`; or a folder
        with train.* and test.* (and dev.* or val.*) of that kind.
    minimum_count, maximum_size
        Of the vocabulary, see `Vocabulary.build`; it knows the training sentences only, and tokens as they are written.

    Raises EdgenetError for a file that can't be read, a line without a label, one label only, or a label that only the
    test has.
    """
    splits = {name: _read(file) for name, file in _find_files(path).items()}
    if "all" in splits:
        sentences = splits.pop("all")
        held_out = hold_out([" ".join(tokens) for tokens, _ in sentences], share=share, seed=seed)
        splits["train"] = [sentence for sentence, out in zip(sentences, held_out, strict=True) if not out]
        splits["test"] = [sentence for sentence, out in zip(sentences, held_out, strict=True) if out]
    classes = sorted({label for _, labels in splits["train"] for label in labels})
    if len(classes) < 2:
        raise EdgenetError(f"{path} has one label only, {classes[0]!r}: telling apart needs two or more")
    texts = [" ".join(tokens) for tokens, _ in splits["train"]]
    vocabulary = Vocabulary.build(texts, "token", minimum_count=minimum_count, maximum_size=maximum_size)
    encoded = {name: _encode(path, sentences, classes, vocabulary) for name, sentences in splits.items()}
    return SequenceDataSet(
        path.resolve().stem, LABELLING, encoded["train"], encoded["test"], encoded.get("validation"), classes,
        source_vocabulary=vocabulary,
        preprocessing={"layout": "tokens", "unit": "token", "vocabulary": "source-vocabulary.json"},
    )  # fmt: skip


def find_tagged_text(folder: Path) -> dict[str, Path]:
    """The files of a folder by split, those whose names say that they are of one."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in _READ]
    return {SPLITS[file.stem.lower()]: file for file in files if file.stem.lower() in SPLITS}


def _find_files(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {"all": path}
    named = find_tagged_text(path)
    if "train" in named and "test" in named:
        return named
    endings = ", ".join(_READ)
    raise EdgenetError(f"folder {path} needs train.conll and test.conll of tokens and labels (or {endings})")


def _read(path: Path) -> list[Sentence]:
    sentences: list[Sentence] = []
    tokens: list[str] = []
    labels: list[str] = []
    for number, line in enumerate([*read_lines(path), ""], 1):
        cells = line.split()
        if not cells:
            if tokens:
                sentences.append((tuple(tokens), tuple(labels)))
                tokens, labels = [], []
        elif cells[0] != _DOCUMENT:
            if len(cells) < 2:
                raise EdgenetError(f"{path}, line {number} has no label behind {cells[0]!r}: write token<TAB>label")
            tokens.append(cells[0])
            labels.append(cells[-1])
    if not sentences:
        raise EdgenetError(f"{path} holds no tokens: write token<TAB>label, a line each")
    return sentences


def _encode(path: Path, sentences: list[Sentence], classes: list[str], vocabulary: Vocabulary) -> SequenceSplit:
    unknown = sorted({label for _, labels in sentences for label in labels} - set(classes))
    if unknown:
        raise EdgenetError(
            f"label {unknown[0]!r} of {path} is not in its training split: give it sentences to learn from"
        )
    ids: list[NDArray[np.int64]] = [
        np.array([classes.index(label) for label in labels], np.int64) for _, labels in sentences
    ]
    return SequenceSplit(encode_all(vocabulary, [" ".join(tokens) for tokens, _ in sentences]), Ragged.of(ids))
