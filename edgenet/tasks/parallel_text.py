"""Parallel texts, a sentence a line, as `train.en` and `train.de`; and texts alone, for language models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import LANGUAGE, TRANSDUCTION
from edgenet.tasks.ragged import Ragged
from edgenet.tasks.sequences import SequenceDataSet, SequenceSplit, encode_all
from edgenet.tasks.splits import hold_out
from edgenet.tasks.tables import SPLITS, read_lines
from edgenet.tasks.vocabulary import Vocabulary

Texts = dict[str, list[str]]
_SHARE = 0.05  # of lines, for a test and again for a validation that the user's files lack


def load_parallel_text(
    folder: Path, languages: tuple[str, str], *, unit: str = "token", minimum_count: int = 2,
    maximum_size: int | None = None, seed: int = 0,
) -> SequenceDataSet:  # fmt: skip
    """Sentences as token ids [T], their translations as begin, ids, end; `references` are the translations.

    folder
        Holds train.SOURCE and train.TARGET, and val.* (valid, validation, dev) and test*.* where there are some; of
        several tests the first by name is `test`, the others are `further`. Without, a twentieth of the lines each.
    languages
        (source, target): the suffixes of the files without the dot.
    unit, minimum_count, maximum_size
        Of both vocabularies, see `Vocabulary.build`; they know the training split only.

    Raises EdgenetError for files that are missing, can't be read, or differ in their number of lines.
    """
    source, target = (_find_texts(folder, language) for language in languages)
    for name in source.keys() | target.keys():
        counts = [len(texts.get(name, [])) for texts in (source, target)]
        if counts[0] != counts[1]:
            raise EdgenetError(
                f"{name}.{languages[0]} in {folder} has {counts[0]} lines and {name}.{languages[1]} {counts[1]}: "
                "each line must be the other's translation"
            )
    splits = _fill_up({name: list(zip(source[name], target[name], strict=True)) for name in source}, seed)
    # There is nothing to learn from, nor to measure on, a sentence without a translation.
    splits = {name: [pair for pair in pairs if pair[0].strip() and pair[1].strip()] for name, pairs in splits.items()}
    vocabularies = [
        Vocabulary.build(
            (pair[side] for pair in splits["train"]), unit, minimum_count=minimum_count, maximum_size=maximum_size
        )
        for side in (0, 1)
    ]
    encoded = {
        name: SequenceSplit(
            encode_all(vocabularies[0], [one for one, _ in pairs]),
            encode_all(vocabularies[1], [other for _, other in pairs], marks=True),
            tuple((other,) for _, other in pairs),
        )
        for name, pairs in splits.items()
    }
    return SequenceDataSet(
        f"{folder.resolve().name}-{languages[0]}-{languages[1]}", TRANSDUCTION, encoded.pop("train"),
        encoded.pop("test"), encoded.pop("validation"), source_vocabulary=vocabularies[0],
        target_vocabulary=vocabularies[1], further=encoded,
        preprocessing={"layout": "tokens", "unit": unit, "vocabulary": "source-vocabulary.json"},
    )  # fmt: skip


def load_text(
    path: Path, language: str | None = None, *, unit: str = "character", minimum_count: int = 1,
    maximum_size: int | None = None, seed: int = 0,
) -> SequenceDataSet:  # fmt: skip
    """Lines of text for a language model: inputs are begin and the line's ids, targets the line's ids and end.

    `targets.values` of a split is its text as one stream in which end is the end of a line. A model of characters is
    measured in bits a character with the ends counted.

    path
        A text file, a twentieth of whose lines is for test and for validation each; or a folder with train.LANGUAGE, as
        for `load_parallel_text`.
    language
        The suffix of a folder's files, without the dot.
    unit, minimum_count, maximum_size
        Of the one vocabulary, see `Vocabulary.build`; it knows the training split only.

    Raises EdgenetError for files that are missing or can't be read, and for a folder without a language.
    """
    if path.is_file():
        texts: Texts = {"train": read_lines(path)}
    elif language is None:
        raise EdgenetError(f"{path} is a folder: say which language, 'en' for train.en (--languages en)")
    else:
        texts = _find_texts(path, language)
    splits = _fill_up(texts, seed)
    vocabulary = Vocabulary.build(splits["train"], unit, minimum_count=minimum_count, maximum_size=maximum_size)
    encoded = {}
    for name, lines in splits.items():
        marked = encode_all(vocabulary, lines, marks=True)
        ends = np.cumsum(marked.lengths)
        lengths = marked.lengths - 1
        without_end, without_begin = np.delete(marked.values, ends - 1), np.delete(marked.values, ends - marked.lengths)
        encoded[name] = SequenceSplit(Ragged(without_end, lengths), Ragged(without_begin, lengths))
    name = path.resolve().stem if language is None else f"{path.resolve().name}-{language}"
    return SequenceDataSet(
        name, LANGUAGE, encoded.pop("train"), encoded.pop("test"), encoded.pop("validation"),
        source_vocabulary=vocabulary, target_vocabulary=vocabulary, further=encoded,
        preprocessing={"layout": "tokens", "unit": unit, "vocabulary": "source-vocabulary.json"},
    )  # fmt: skip


def find_languages(folder: Path) -> list[str]:
    """The suffixes of the training files of a folder, without the dot."""
    return sorted(path.suffix[1:] for path in folder.glob("train.*") if path.is_file())


def _find_texts(folder: Path, language: str) -> Texts:
    texts: Texts = {}
    for path in sorted(folder.glob(f"*.{language}")):
        name = SPLITS.get(path.stem.lower(), path.stem)
        if name.startswith("test") and "test" not in texts:
            name = "test"
        if name in ("train", "validation") or name.startswith("test"):
            texts[name] = read_lines(path)
    if "train" not in texts:
        known = ", ".join(find_languages(folder)) or "none"
        raise EdgenetError(f"{folder} has no train.{language}; languages of its train files: {known}")
    return texts


def _fill_up(splits: dict[str, list], seed: int) -> dict[str, list]:
    """Take a test and a validation from the training lines where there are none."""
    for name in ("test", "validation"):
        if name not in splits:
            lines: Sequence = splits["train"]
            held_out = hold_out([str(line) for line in lines], share=_SHARE, seed=seed)
            splits["train"] = [line for line, out in zip(lines, held_out, strict=True) if not out]
            splits[name] = [line for line, out in zip(lines, held_out, strict=True) if out]
    return splits
