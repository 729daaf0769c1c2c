"""Decoding is held to the best of all strings, of a small table of probabilities that stands for a decoder."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenet.errors import EdgenetError
from edgenet.runtime.decoding import beam_search, greedy_search, log_softmax

BEGIN, END = 0, 1


class Table:
    """A decoder whose next token depends on its sample, the step and the last token; its state counts the steps."""

    def __init__(self, seed, samples=2, vocabulary=4, steps=4):
        self.logits = np.random.default_rng(seed).normal(0, 1.5, (samples, steps, vocabulary, vocabulary))
        self.logits[..., BEGIN] = -50  # said never
        self.initial = np.zeros((1, samples, 1), np.float32)
        self.calls = 0

    def step(self, tokens, state, samples):
        self.calls += len(tokens)
        return self.logits[samples, state[0, :, 0].astype(int), tokens], state + 1

    def score(self, sample, string, ended):
        scores, last = 0.0, BEGIN
        for step, token in enumerate((*string, *([END] if ended else []))):
            scores += log_softmax(self.logits[sample, step, last])[token]
            last = token
        return scores


def best_string(table, sample, steps, length_penalty):
    """The best of all strings of fewer than `steps` tokens with an end, or of `steps` without one."""
    found = {}
    for length in range(steps + 1):
        for string in product(range(2, table.logits.shape[-1]), repeat=length):
            divisor = ((5 + length + 1) / 6) ** length_penalty
            found[string] = table.score(sample, string, ended=length < steps) / divisor
    return list(max(found, key=found.get))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.integers(1, 4), length_penalty=st.sampled_from([0.0, 0.6, 1.0]))
def test_a_wide_beam_finds_the_best_of_all_strings(seed, steps, length_penalty):
    table = Table(seed)
    found = beam_search(table.step, table.initial, BEGIN, END, steps, 200, length_penalty)
    assert found == [best_string(table, sample, steps, length_penalty) for sample in range(2)]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_greedy_says_the_most_likely_token_each_time(seed):
    table = Table(seed)
    for sample, string in enumerate(greedy_search(table.step, table.initial, BEGIN, END, 4)):
        last = BEGIN
        for step, token in enumerate([*string, END][:4]):
            assert token == table.logits[sample, step, last].argmax()
            last = token


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 6))
def test_samples_do_not_disturb_each_other(seed, width):
    table = Table(seed, samples=3)
    together = beam_search(table.step, table.initial, BEGIN, END, 4, width)
    greedy = greedy_search(table.step, table.initial, BEGIN, END, 4)
    for sample in range(3):
        alone = Table(seed, samples=3)
        alone.logits = alone.logits[sample : sample + 1]
        assert beam_search(alone.step, alone.initial[:, :1], BEGIN, END, 4, width) == [together[sample]]
        assert greedy_search(alone.step, alone.initial[:, :1], BEGIN, END, 4) == [greedy[sample]]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_beam_of_one_is_greedy(seed):
    table = Table(seed)
    greedy = greedy_search(table.step, table.initial, BEGIN, END, 4)
    assert beam_search(table.step, table.initial, BEGIN, END, 4, 1, 0.0) == greedy


def test_what_has_ended_is_not_computed_on():
    table = Table(0, steps=50)
    table.logits[0, 0, BEGIN, END] = 99  # the first sample ends at once
    table.logits[1, :2, :, END], table.logits[1, 2, :, END] = -99, 99
    assert [len(string) for string in greedy_search(table.step, table.initial, BEGIN, END, 50)] == [0, 2]
    assert table.calls == 2 + 1 + 1


def test_a_beam_of_nothing_is_refused():
    table = Table(0)
    with pytest.raises(EdgenetError, match="a beam of 0 hypotheses keeps nothing"):
        beam_search(table.step, table.initial, BEGIN, END, 4, 0)
