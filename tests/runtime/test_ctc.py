"""CTC decoding is held to the sum over all paths, for strings short enough to write them all down."""

from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenet.errors import EdgenetError
from edgenet.runtime.ctc import ctc_beam, ctc_greedy


def collapse(path):
    return tuple(label for label, _ in groupby(path) if label)


def all_strings(logits):
    """The probability of every string, of one sample's logits [T, classes]."""
    steps, classes = logits.shape
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = {}
    for path in product(range(classes), repeat=steps):
        string = collapse(path)
        found[string] = found.get(string, 0) + np.prod(probabilities[np.arange(steps), path])
    return found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.integers(1, 5), classes=st.integers(2, 4))
def test_a_wide_beam_finds_the_most_likely_string(seed, steps, classes):
    logits = np.random.default_rng(seed).normal(0, 2, (1, steps, classes))
    strings = all_strings(logits[0])
    (found,) = ctc_beam(logits, width=1000)
    assert strings[tuple(found)] == pytest.approx(max(strings.values()))


def test_the_best_string_need_not_be_that_of_the_best_path():
    # Two paths of 0.36 x 0.4 + 0.4 x 0.36 + ... mean "1"; the best single path is all blanks.
    logits = np.log([[[0.6, 0.4], [0.6, 0.4]]])
    assert ctc_greedy(logits) == [[]]
    assert ctc_beam(logits) == [[1]]


def test_repeats_are_merged_and_blanks_part_them():
    best = [1, 1, 0, 1, 2, 2, 0, 0, 3]
    logits = np.eye(4)[best][None] * 9
    assert ctc_greedy(logits) == ctc_beam(logits) == [[1, 1, 2, 3]]


def test_padding_beyond_the_lengths_is_not_read():
    logits = np.stack([np.eye(4)[[1, 2, 3, 3]], np.eye(4)[[2, 0, 2, 1]]]) * 9
    for decode in (ctc_greedy, ctc_beam):
        assert decode(logits, [2, 3]) == [[1, 2], [2, 2]]


def test_the_blank_can_be_another_class():
    logits = np.eye(3)[[2, 0, 2, 1]][None] * 9
    assert ctc_greedy(logits, blank=2) == ctc_beam(logits, blank=2) == [[0, 1]]


def test_wrong_use_is_refused():
    with pytest.raises(EdgenetError, match=r"logits \[samples, steps, classes\], got \[3, 4\]"):
        ctc_greedy(np.zeros((3, 4)))
    with pytest.raises(EdgenetError, match="a beam of 0 prefixes keeps nothing"):
        ctc_beam(np.zeros((1, 3, 4)), width=0)
