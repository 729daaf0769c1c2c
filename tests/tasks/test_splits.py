import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from edgenet.errors import EdgenetError
from edgenet.tasks.splits import hold_out

KEYS = [f"sample {number}" for number in range(1000)]


def test_the_share_of_each_class_is_held_out():
    labels = ["rare"] * 50 + ["common"] * 950
    held_out = hold_out(KEYS, labels)
    assert (held_out[:50].sum(), held_out[50:].sum()) == (10, 190)


def test_who_is_held_out_depends_on_the_samples_and_not_on_their_order():
    order = np.random.default_rng(0).permutation(1000)
    shuffled = hold_out([KEYS[index] for index in order])
    np.testing.assert_array_equal(shuffled, hold_out(KEYS)[order])


def test_another_seed_holds_out_others():
    assert (hold_out(KEYS, seed=0) != hold_out(KEYS, seed=1)).sum() > 200


def test_the_split_of_a_seed_stays_what_it_was():
    assert np.flatnonzero(hold_out(KEYS[:20])).tolist() == [0, 6, 8, 19]


@given(some.lists(some.sampled_from("abcdefgh"), min_size=2, max_size=60))
def test_equal_samples_stay_on_one_side_and_neither_side_is_empty(keys):
    if len(set(keys)) == 1:
        return
    held_out = hold_out(keys)
    train = {key for key, out in zip(keys, held_out, strict=True) if not out}
    test = {key for key, out in zip(keys, held_out, strict=True) if out}
    assert train
    assert test
    assert not train & test


def test_a_class_of_equal_samples_cannot_be_split():
    with pytest.raises(EdgenetError, match="class 'spam' has one sample only, 'win': a test needs another"):
        hold_out(["a", "b", "win", "win"], ["ham", "ham", "spam", "spam"])
