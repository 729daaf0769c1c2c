import json

import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import Vocabulary
from edgenet.tasks.vocabulary import PADDING

TEXTS = ["The cat sat.", "the dog!", "A cat"]


def test_the_most_frequent_tokens_come_first_behind_the_marks():
    words = Vocabulary.build(TEXTS)
    assert words.tokens == ("<pad>", "<unk>", "<s>", "</s>", "cat", "the", "!", ".", "a", "dog", "sat")


def test_rare_tokens_and_the_last_ones_are_left_out_where_asked():
    assert Vocabulary.build(TEXTS, minimum_count=2).tokens[4:] == ("cat", "the")
    assert len(Vocabulary.build(TEXTS, maximum_size=6)) == 6


def test_text_becomes_ids_and_back():
    words = Vocabulary.build(TEXTS)
    assert words.encode("The CAT sat!").tolist() == [5, 4, 10, 6]
    assert words.encode("the cat", marks=True).tolist() == [2, 5, 4, 3]
    assert words.decode([2, 5, 4, 3, 9, 0]) == "the cat"
    assert words.encode("").tolist() == []


def test_a_word_never_seen_is_unknown():
    assert Vocabulary.build(TEXTS).encode("the zebra").tolist() == [5, 1]


@pytest.mark.parametrize(
    ("unit", "tokens"),
    [("character", ["a", "n", " ", "É", "1"]), ("token", ["an", "É1"]), ("word", ["an", "é1"])],
)
def test_units_cut_text_each_in_its_way(unit, tokens):
    vocabulary = Vocabulary.build(["an É1"], unit)
    assert [vocabulary.tokens[index] for index in vocabulary.encode("an É1")] == tokens


def test_characters_are_put_together_without_spaces():
    characters = Vocabulary.build(["seven"], "character")
    assert characters.decode(characters.encode("seven", marks=True)) == "seven"


def test_a_vocabulary_without_unknown_refuses_what_it_does_not_know():
    digits = Vocabulary("character", (PADDING, *"0123456789"))
    assert digits.encode("90").tolist() == [10, 1]
    with pytest.raises(EdgenetError, match="'x' is not in the vocabulary"):
        digits.encode("1x")


def test_it_is_saved_and_read_again(tmp_path):
    words = Vocabulary.build(["größer\u2028 “quoted”"], "character")
    words.save(tmp_path / "run" / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "run" / "vocabulary.json") == words


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"unit": "word"},
        {"unit": "word", "tokens": 3},
        {"unit": "word", "tokens": ["a"]},
        {"unit": "word", "tokens": ["<pad>", 1]},
        {"unit": "syllable", "tokens": ["<pad>"]},
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused_by_name(content, tmp_path):
    (tmp_path / "vocabulary.json").write_text(json.dumps(content))
    with pytest.raises(EdgenetError, match=r"vocabulary\.json holds no vocabulary"):
        Vocabulary.load(tmp_path / "vocabulary.json")


def test_another_unit_is_refused():
    with pytest.raises(EdgenetError, match="use one of word, token, character"):
        Vocabulary.build(TEXTS, "syllable")
