"""Metrics on cases worked out by hand."""

import math
import subprocess
import sys

import numpy as np
import pytest

from edgenet.tasks import metrics


def test_top1_is_the_share_that_is_right():
    assert metrics.top1([1, 2, 3, 0], np.array([1, 2, 0, 0])) == 0.75


def test_f1_is_that_of_one_class():
    # Of class 1: two hits, one false alarm, two misses: precision 2/3, recall 1/2, so F1 is 4/7.
    predictions, targets = [1, 1, 1, 0, 0, 2], [1, 1, 0, 1, 1, 2]
    assert metrics.f1(predictions, targets, positive=1) == pytest.approx(4 / 7)
    assert metrics.f1(predictions, targets, positive=2) == 1.0
    assert metrics.f1([0, 0], [1, 0], positive=1) == 0.0


def test_frames_of_padding_do_not_count():
    predictions = np.array([[1, 1, 1], [2, 2, 2]])
    targets = np.array([[1, 0, 1], [2, 0, 0]])
    assert metrics.frame_accuracy(predictions, targets, [3, 1]) == 0.75


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("kitten", "sitting", 3),
        ("", "abc", 3),
        ("abc", "", 3),
        ("", "", 0),
        ("flaw", "lawn", 2),
        (["K", "AE", "T"], ["K", "AH", "T", "S"], 2),
    ],
)
def test_edit_distance_counts_the_fewest_edits(one, other, distance):
    assert metrics.edit_distance(one, other) == distance
    assert metrics.edit_distance(other, one) == distance


def test_the_error_rate_is_edits_by_length_of_the_references():
    # cat: one substitution in three; dogs: one deletion in four.
    predictions = [["K", "AH", "T"], ["D", "AO", "G"]]
    references = [[["K", "AE", "T"]], [["D", "AO", "G", "Z"]]]
    assert metrics.error_rate(predictions, references) == pytest.approx(2 / 7)


def test_of_several_references_the_nearest_counts():
    assert metrics.error_rate([["R", "EH", "D"]], [[["R", "IY", "D"], ["R", "EH", "D"]]]) == 0.0
    # One edit either way: the longer reference makes it the smaller rate, 1 / 4.
    assert metrics.error_rate(["abc"], [["ab", "abcd"]]) == 0.25


def test_an_exact_match_is_one_of_the_references():
    assert metrics.exact_match(["one", "to", "zwo"], [["one"], ["two"], ["zwei", "zwo"]]) == pytest.approx(2 / 3)


def test_bits_a_character():
    # Two characters with probability 1/2 and two with 1/4: (1 + 1 + 2 + 2) / 4 bits.
    nats = [[math.log(2), math.log(2)], [math.log(4), math.log(4)]]
    assert metrics.bits_per_character(nats, 4) == pytest.approx(1.5)
    # A model of words is divided by characters: one word of eight characters at probability 1/16.
    assert metrics.bits_per_character([math.log(16)], 8) == pytest.approx(0.5)


def test_bleu_of_what_is_right_is_100_and_of_what_shares_no_word_0():
    sentence = "ein mann mit einem orangefarbenen hut ."
    assert metrics.bleu([sentence], [[sentence]], tokenised=True) == pytest.approx(100)
    assert metrics.bleu(["a b c d e"], [[sentence]], tokenised=True) == 0.0


def test_bleu_is_the_mean_of_the_precisions_by_the_brevity_penalty():
    # Precisions 4/4, 3/3, 2/2, 1/1; four tokens said of five: exp(1 - 5/4).
    assert metrics.bleu(["a b c d"], [["a b c d e"]], tokenised=True) == pytest.approx(100 * math.exp(-0.25))


def test_bleu_takes_samples_with_different_numbers_of_references():
    references = [["a b c d x", "a b c d e"], ["f g h i j"]]
    assert metrics.bleu(["a b c d e", "f g h i j"], references, tokenised=True) == pytest.approx(100)


def test_metrics_need_no_torch():
    code = "import sys; sys.modules['torch'] = None; import edgenet.tasks.metrics as m; sys.exit(m.top1([1], [1]) != 1)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
