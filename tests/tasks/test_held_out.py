"""What a run folder keeps to be measured on, and how answers to it are counted."""

import math

import numpy as np
import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import Ragged, SequenceDataSet, SequenceSplit, Vocabulary
from edgenet.tasks.catalog import LABELLING, LANGUAGE, SEQUENCES, STRINGS, TRANSDUCTION
from edgenet.tasks.held_out import HeldOut, choose_metric
from edgenet.tasks.measures import get_measure

TOKENS = Ragged.of([np.array([5, 6, 7]), np.array([8]), np.array([9, 4])])
LETTERS = Vocabulary("character", ("<pad>", "a", "b"))
PHONEMES = Vocabulary.build(["K AE T"], "token")


def data_set(task, targets, references=(), **options):
    split = SequenceSplit(TOKENS, targets, references)
    return SequenceDataSet("made", task, split, split, **options)


def strings():
    targets = Ragged.of([np.array([1, 2]), np.array([1]), np.array([2])])
    return data_set(STRINGS, targets, (("ab",), ("a", "b"), ("b",)), target_vocabulary=LETTERS)


def test_samples_saved_are_those_that_are_loaded(tmp_path):
    saved = HeldOut.of(strings())
    saved.save(tmp_path / "samples.npz")
    loaded = HeldOut.load(tmp_path / "samples.npz")
    assert (loaded.task, loaded.metric, loaded.positive) == (STRINGS, "exact_match", 0)
    for name in ("inputs", "targets", "lengths", "target_lengths", "references", "owners"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name))


def test_a_part_is_padded_to_its_own_longest():
    part = HeldOut.of(strings()).part(slice(1, 3))
    assert part.inputs.tolist() == [[8, 0], [9, 4]]
    assert part.targets.tolist() == [[1], [2]]
    assert part.lengths.tolist() == [1, 2]


def test_a_part_knows_all_right_answers_to_its_own_samples():
    held_out = HeldOut.of(strings())
    assert held_out.part(slice(1, 3)).value([[2], [1]]) == pytest.approx(1 / 2)
    assert held_out.part(slice(0, 2)).part(slice(1, 2)).value([[2]]) == 1.0


def test_the_typical_sample_is_of_the_middle_length_and_without_padding():
    assert HeldOut.of(strings()).typical().inputs.tolist() == [[9, 4]]


def test_any_of_the_right_answers_is_right():
    held_out = HeldOut.of(strings())
    assert held_out.value([[1, 2], [2], [2]]) == 1.0
    assert held_out.value([[1, 2], [2, 1], []]) == pytest.approx(1 / 3)


def test_a_token_that_the_vocabulary_lacks_is_one_that_no_network_can_say():
    targets = Ragged.of([np.array([2, 4, 3])] * 3)
    data = data_set(TRANSDUCTION, targets, (("K AE T",), ("K ZZ",), ("T",)), target_vocabulary=PHONEMES,
                    metric="phoneme_error_rate")  # fmt: skip
    held_out = HeldOut.of(data)
    unknown = PHONEMES.tokens.index("<unk>")
    k, ae, t = (PHONEMES.tokens.index(token) for token in ("K", "AE", "T"))
    assert held_out.value([[k, ae, t], [k, unknown], [t]]) == pytest.approx(1 / 6)


def test_of_two_classes_the_rare_one_is_measured_by_its_f1():
    few = SequenceSplit(Ragged.of([np.array([1])] * 10), np.array([0] * 8 + [1] * 2))
    data = SequenceDataSet("made", SEQUENCES, few, few, classes=["ham", "spam"])
    assert choose_metric(data) == ("f1", 1)
    assert HeldOut.of(data).value([0] * 7 + [1] * 3) == pytest.approx(0.8)
    assert HeldOut.of(data).value([0] * 10) == 0.0


def test_classes_about_as_frequent_are_measured_by_their_accuracy():
    held_out = HeldOut.of(data_set(SEQUENCES, np.array([0, 1, 1]), classes=["x", "y"]))
    assert held_out.metric == "top1"
    assert held_out.value([0, 1, 0]) == pytest.approx(2 / 3)


def test_steps_of_padding_are_no_right_answers():
    labels = Ragged.of([np.array([1, 0, 0]), np.array([1]), np.array([0, 1])])
    held_out = HeldOut.of(data_set(LABELLING, labels, classes=["quiet", "loud"]))
    assert held_out.value([np.array([1, 0, 1]), np.array([1]), np.array([0, 1])]) == pytest.approx(5 / 6)


@pytest.mark.parametrize(("unit", "metric"), [("character", "bits_per_character"), ("word", "bits_per_token")])
def test_likelihoods_are_measured_in_bits_over_all_real_steps(unit, metric):
    vocabulary = Vocabulary(unit, ("<pad>", *"abcdefghi"))
    held_out = HeldOut.of(data_set(LANGUAGE, TOKENS, source_vocabulary=vocabulary, target_vocabulary=vocabulary))
    assert held_out.metric == metric
    assert held_out.value([3 * math.log(2), math.log(2), 8 * math.log(2)]) == pytest.approx(12 / 6)


def test_a_file_that_holds_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "samples.npz", weights=np.zeros(3))
    with pytest.raises(EdgenetError, match=r"samples\.npz holds no samples"):
        HeldOut.load(tmp_path / "samples.npz")


@pytest.mark.parametrize(
    ("name", "full", "value", "loss", "written"),
    [
        ("top1", 0.98, 0.95, 0.03, "95.0 %"),
        ("phoneme_error_rate", 0.10, 0.12, 0.02, "12.0 %"),
        ("bits_per_character", 1.40, 1.55, 0.15, "1.550"),
        ("bleu", 30.0, 28.0, 2.0, "28.000"),
    ],
)
def test_a_loss_is_positive_when_worse_whichever_way_the_metric_counts(name, full, value, loss, written):
    measure = get_measure(name)
    assert measure.loss(full, value) == pytest.approx(loss)
    assert measure.write(value) == written


def test_an_unknown_metric_is_refused():
    with pytest.raises(EdgenetError, match="unknown metric 'luck': use one of top1, f1"):
        get_measure("luck")
