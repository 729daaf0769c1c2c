"""Samples of unequal lengths, and batches of them."""

import numpy as np
import pytest

from edgenet.tasks import Ragged, SequenceSplit

TOKENS = Ragged.of([np.array([5, 6, 7]), np.array([8]), np.array([9, 4])])


def test_samples_lie_end_to_end_and_are_found_again():
    assert TOKENS.values.tolist() == [5, 6, 7, 8, 9, 4]
    assert TOKENS.lengths.tolist() == [3, 1, 2]
    assert [sample.tolist() for sample in TOKENS] == [[5, 6, 7], [8], [9, 4]]
    assert TOKENS[-1].tolist() == [9, 4]


def test_an_index_beyond_the_last_is_refused():
    with pytest.raises(IndexError):
        TOKENS[3]


@pytest.mark.parametrize("indices", [slice(None), slice(1, None), np.array([2, 0, 2]), np.array([], np.int64)])
def test_taking_is_choosing_from_the_list_of_samples(indices):
    taken = TOKENS.take(indices)
    chosen = np.arange(3)[indices]
    assert [sample.tolist() for sample in taken] == [TOKENS[index].tolist() for index in chosen]


def test_zeros_stand_behind_shorter_samples():
    assert TOKENS.padded().tolist() == [[5, 6, 7], [8, 0, 0], [9, 4, 0]]


def test_a_sample_may_be_empty():
    samples = Ragged.of([np.array([], np.int64), np.array([3, 2])])
    assert samples.padded().tolist() == [[0, 0], [3, 2]]
    assert samples[0].tolist() == []


def test_a_batch_of_tokens_is_padded_to_its_own_longest():
    split = SequenceSplit(TOKENS, np.array([1, 0, 1]))
    batch = split.batch(np.array([1, 2]))
    assert batch.inputs.tolist() == [[8, 0], [9, 4]]
    assert batch.lengths.tolist() == [1, 2]
    assert batch.targets.tolist() == [0, 1]
    assert batch.target_lengths.tolist() == [1, 1]


def test_a_part_of_a_split_is_a_split():
    split = SequenceSplit(TOKENS, TOKENS, (("a",), ("b", "c"), ("d",)))
    part = split.take(np.array([2, 1]))
    assert len(part) == 2
    assert part.references == (("d",), ("b", "c"))
    assert part.batch().inputs.tolist() == split.batch(np.array([2, 1])).inputs.tolist()


def test_features_are_normalised_before_they_are_padded():
    features = Ragged.of([np.array([[1.0, 10.0]], np.float32), np.array([[3.0, 10.0], [5.0, 30.0]], np.float32)])
    mean, std = np.array([3, 10], np.float32), np.array([2, 10], np.float32)
    batch = SequenceSplit(features, np.array([0, 1]), mean=mean, std=std).batch()
    assert batch.inputs.tolist() == [[[-1, 0], [0, 0]], [[0, 0], [1, 2]]]
    assert batch.inputs.dtype == np.float32


def test_images_by_column_become_images_with_padding_on_the_right():
    narrow, wide = np.full((2, 1, 3), 255, np.uint8), np.arange(12, dtype=np.uint8).reshape(4, 1, 3)
    half = np.array([0.5], np.float32)
    split = SequenceSplit(Ragged.of([narrow, wide]), TOKENS.take(slice(0, 2)), mean=half, std=half)
    batch = split.batch()
    assert batch.inputs.shape == (2, 1, 3, 4)  # [N, C, H, W]
    assert batch.lengths.tolist() == [2, 4]
    np.testing.assert_allclose(batch.inputs[0, 0], [[1, 1, 0, 0]] * 3, atol=1e-6)
    np.testing.assert_allclose(batch.inputs[1, 0], (wide[:, 0].T / 255 - 0.5) / 0.5, atol=1e-6)
    assert batch.targets.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch.target_lengths.tolist() == [3, 1]


def test_images_of_one_size_are_as_long_as_they_are_wide():
    images = np.zeros((2, 3, 4, 5), np.uint8)
    mean, std = np.full(3, 0.25, np.float32), np.full(3, 0.5, np.float32)
    batch = SequenceSplit(images, TOKENS.take(slice(0, 2)), mean=mean, std=std).batch(np.array([1]))
    np.testing.assert_allclose(batch.inputs, np.full((1, 3, 4, 5), -0.5))
    assert batch.lengths.tolist() == [5]


def test_two_halves_of_a_split_are_the_whole():
    split = SequenceSplit(TOKENS, TOKENS)
    whole = split.batch()
    for index in range(3):
        part = split.batch(np.array([index]))
        length = part.lengths[0]
        assert part.inputs[0].tolist() == whole.inputs[index, :length].tolist()
        assert not whole.inputs[index, length:].any()
