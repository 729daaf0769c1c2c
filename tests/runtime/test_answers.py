"""What outputs of a network are taken to say."""

import numpy as np
import pytest

from edgenet.runtime.answers import read_answers
from edgenet.tasks.catalog import LABELLING, LANGUAGE, SEQUENCES, STRINGS

STEPS = np.eye(3, dtype=np.float32)[[[1, 1, 0, 2], [2, 0, 0, 0]]]
LENGTHS = np.array([4, 1])


def test_of_class_scores_it_is_the_highest():
    assert read_answers(SEQUENCES, [STEPS[:, 0]], LENGTHS, np.zeros(2, np.int64)) == [1, 2]


def test_of_scores_a_step_it_is_the_highest_of_each_real_one():
    answers = read_answers(LABELLING, [STEPS], LENGTHS, np.zeros((2, 4), np.int64))
    assert [answer.tolist() for answer in answers] == [[1, 1, 0, 2], [2]]


def test_of_a_language_model_it_is_how_unlikely_the_text_is():
    targets = np.array([[1, 1, 0, 2], [0, 0, 0, 0]])
    likely, unlikely = np.log(np.e + 2) - 1, np.log(np.e + 2)
    found = read_answers(LANGUAGE, [STEPS], LENGTHS, targets)
    assert found == pytest.approx([4 * likely, unlikely])


def test_of_alignments_it_is_the_string_without_repeats_and_blanks():
    assert read_answers(STRINGS, [STEPS, np.array([4, 1])], LENGTHS, np.zeros((2, 2), np.int64)) == [[1, 2], [2]]
