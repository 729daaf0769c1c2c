"""Parallel texts and texts for language models."""

import numpy as np
import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import load_sequences

ENGLISH = ["a man sleeps .", "a dog runs .", "the man runs ."]
GERMAN = ["ein mann schläft .", "ein hund rennt .", "der mann rennt ."]


def write(folder, **texts):
    """Files by name, `train_en` for train.en."""
    folder.mkdir(exist_ok=True)
    for name, lines in texts.items():
        stem, _, language = name.rpartition("_")
        (folder / f"{stem}.{language}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(
        tmp_path / "texts", train_en=ENGLISH, train_de=GERMAN, val_en=ENGLISH[:1], val_de=GERMAN[:1],
        test_2016_en=["a cat sleeps ."], test_2016_de=["eine katze schläft ."],
        test_2017_en=ENGLISH[1:], test_2017_de=GERMAN[1:],
    )  # fmt: skip


def test_sources_are_ids_and_targets_have_begin_and_end(folder):
    data = load_sequences(folder, languages=("en", "de"), minimum_count=1)
    assert (data.name, data.task) == ("texts-en-de", "sequence-to-sequence")
    source, target = data.train.raw[1], data.train.targets[1]
    assert [data.source_vocabulary.tokens[index] for index in source] == ["a", "dog", "runs", "."]
    assert [data.target_vocabulary.tokens[index] for index in target] == ["<s>", "ein", "hund", "rennt", ".", "</s>"]
    assert data.target_vocabulary.decode(target) == data.train.references[1][0] == GERMAN[1]


def test_validation_and_every_test_are_found(folder):
    data = load_sequences(folder, languages=("de", "en"))
    assert (len(data.train), len(data.validation), len(data.test)) == (3, 1, 1)
    assert {name: len(split) for name, split in data.further.items()} == {"test_2017": 2}
    assert data.test.references == (("a cat sleeps .",),)


def test_words_of_the_test_alone_are_unknown(folder):
    data = load_sequences(folder, languages=("en", "de"), minimum_count=1)
    assert data.source_vocabulary.decode(data.test.raw[0]) == "a <unk> sleeps ."


def test_without_a_test_lines_are_held_out_in_pairs(tmp_path):
    lines = [f"line {number}" for number in range(100)]
    write(tmp_path / "texts", train_en=lines, train_fr=[line.replace("line", "ligne") for line in lines])
    data = load_sequences(tmp_path / "texts", languages=("en", "fr"), minimum_count=1)
    assert (len(data.train), len(data.test), len(data.validation)) == (90, 5, 5)
    for split in (data.train, data.test, data.validation):
        for target, references in zip(split.targets, split.references, strict=True):
            assert data.target_vocabulary.tokens[target[1]] in ("ligne", "<unk>")
            assert references[0].startswith("ligne ")


def test_both_vocabularies_are_saved_with_the_run(folder, tmp_path):
    load_sequences(folder, languages=("en", "de")).save_vocabularies(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "source-vocabulary.json",
        "target-vocabulary.json",
    ]


def test_a_language_model_reads_what_it_said_last(folder):
    data = load_sequences(folder, "language-modelling", language="en")
    inputs, targets = data.train.raw[0], data.train.targets[0]
    tokens = data.source_vocabulary.tokens
    assert [tokens[index] for index in inputs] == ["<s>", *ENGLISH[0]]
    assert [tokens[index] for index in targets] == [*ENGLISH[0], "</s>"]
    np.testing.assert_array_equal(data.train.raw.lengths, data.train.targets.lengths)


def test_the_targets_of_a_language_model_are_the_text_as_one_stream(folder):
    data = load_sequences(folder, "language-modelling", language="en")
    text = "".join(data.source_vocabulary.tokens[index] for index in data.train.targets.values)
    assert text.replace("</s>", "\n") == "".join(f"{line}\n" for line in ENGLISH)


def test_a_text_alone_is_split_by_lines(tmp_path):
    (tmp_path / "poem.txt").write_text("".join(f"verse {number}\n" for number in range(100)))
    data = load_sequences(tmp_path / "poem.txt")
    assert (data.task, len(data.train), len(data.test), len(data.validation)) == ("language-modelling", 90, 5, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"which way to translate .* is open, it has de, en: give languages, such as \('de', 'en'\)"),
        ({"languages": ("en", "fr")}, r"has no train\.fr; languages of its train files: de, en"),
        ({"task": "language-modelling"}, "say which language"),
        ({"task": "string-recognition"}, "cannot serve string-recognition: use 'digit-strings'"),
        ({"task": "sequence-labelling"}, r"needs train\.conll and test\.conll of tokens and labels"),
    ],
)
def test_what_is_open_or_missing_is_asked_for(folder, options, message):
    with pytest.raises(EdgenetError, match=message):
        load_sequences(folder, **options)


def test_texts_of_unequal_numbers_of_lines_are_refused(folder):
    write(folder, train_de=GERMAN[:2])
    with pytest.raises(EdgenetError, match=r"train\.en in .* has 3 lines and train\.de 2"):
        load_sequences(folder, languages=("en", "de"))
