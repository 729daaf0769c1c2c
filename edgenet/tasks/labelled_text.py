"""Text with labels: a table of `label<TAB>text`."""

from pathlib import Path

import numpy as np

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import SEQUENCES
from edgenet.tasks.sequences import SequenceDataSet, SequenceSplit, encode_all
from edgenet.tasks.splits import hold_out
from edgenet.tasks.tables import Columns, find_tables, pick_columns, read_columns
from edgenet.tasks.vocabulary import Vocabulary

_LABEL_NAMES = ("label", "class", "category", "target", "sentiment")
_TEXT_NAMES = ("text", "message", "sentence", "sms", "review")


def load_labelled_text(
    path: Path, *, columns: Columns | None = None, unit: str = "word", minimum_count: int = 2,
    maximum_size: int | None = None, share: float = 0.2, seed: int = 0,
) -> SequenceDataSet:  # fmt: skip
    """Texts as token ids [T] and their classes.

    path
        A .tsv, .txt (tabs) or .csv table, split by `share` and `seed` within each class, by the text; or a folder with
        `train.tsv` and `test.tsv` (and `val.tsv`).
    columns
        Of label and text: numbers from 0, or names in a first row. By default a first row that names them, else the
        one of two columns with fewer different values is the label.
    unit, minimum_count, maximum_size
        Of the vocabulary, see `Vocabulary.build`; it knows the training texts only.

    Raises EdgenetError for a table that can't be read, columns that can't be told apart, one class only, or a class
    that only the test has.
    """
    tables = find_tables(path)
    chosen = _find_columns(next(iter(tables.values())), columns)
    # A message of nothing but spaces has no tokens, and there is nothing to tell it by.
    rows = {name: [row for row in pick_columns(table, chosen) if row[1].strip()] for name, table in tables.items()}
    if "all" in rows:
        samples = rows.pop("all")
        held_out = hold_out([text for _, text in samples], [label for label, _ in samples], share=share, seed=seed)
        rows["train"] = [row for row, out in zip(samples, held_out, strict=True) if not out]
        rows["test"] = [row for row, out in zip(samples, held_out, strict=True) if out]
    classes = sorted({label for label, _ in rows["train"]})
    if len(classes) < 2:
        raise EdgenetError(f"{path} has one class only, {', '.join(classes)!r}: telling apart needs two or more")
    vocabulary = Vocabulary.build(
        (text for _, text in rows["train"]), unit, minimum_count=minimum_count, maximum_size=maximum_size
    )
    splits = {name: _encode(path, part, classes, vocabulary) for name, part in rows.items()}
    preprocessing = {"layout": "tokens", "unit": unit, "vocabulary": "source-vocabulary.json"}
    return SequenceDataSet(
        path.resolve().stem, SEQUENCES, splits["train"], splits["test"], splits.get("validation"), classes,
        source_vocabulary=vocabulary, preprocessing=preprocessing,
    )  # fmt: skip


def _find_columns(table: Path, columns: Columns | None) -> Columns:
    named = read_columns(table, columns, (_LABEL_NAMES, _TEXT_NAMES))
    if named is not None:
        return named
    rows = pick_columns(table, (0, 1))
    counts = len({first for first, _ in rows}), len({second for _, second in rows})
    if counts[0] == counts[1] or min(counts) > len(rows) / 2:
        raise EdgenetError(
            f"{table}: which column is the label cannot be told, they have {counts[0]} and {counts[1]} different "
            f"values in {len(rows)} rows: name the columns in a first row, or give their numbers"
        )
    return (0, 1) if counts[0] < counts[1] else (1, 0)


def _encode(path: Path, rows: list[tuple[str, str]], classes: list[str], vocabulary: Vocabulary) -> SequenceSplit:
    unknown = sorted({label for label, _ in rows} - set(classes))
    if unknown:
        raise EdgenetError(f"class {unknown[0]!r} of {path} is not in its training split: give it texts to learn from")
    targets = np.array([classes.index(label) for label, _ in rows], np.int64)
    return SequenceSplit(encode_all(vocabulary, [text for _, text in rows]), targets)
