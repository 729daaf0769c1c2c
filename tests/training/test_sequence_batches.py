"""Batches of samples of unequal lengths, and what a network learns from them."""

import numpy as np
import pytest
import torch

from edgenet.errors import EdgenetError
from edgenet.models import create
from edgenet.tasks import Ragged, SequenceDataSet, SequenceSplit, Vocabulary
from edgenet.tasks.catalog import SEQUENCES
from edgenet.tasks.vocabulary import MARKS
from edgenet.training import Recipe, train
from edgenet.training.batches import SequenceBatches
from edgenet.training.data import make_batches
from edgenet.training.objectives import TensorBatch, get_objective
from tests.training.sequences import bars, capitals, frames


def numbered(count=130):
    """Samples whose first token is their number, of 1 to 30 steps."""
    random = np.random.default_rng(0)
    samples = [np.full(random.integers(1, 31), index) for index in range(count)]
    return SequenceSplit(Ragged.of(samples), np.arange(count))


def test_an_epoch_has_every_sample_once_and_batches_of_one_size():
    batches = list(SequenceBatches(numbered(), 16, 0, 0, lambda: 0))
    assert sorted(torch.cat([batch.targets for batch in batches]).tolist()) == list(range(130))
    assert {len(batch.targets) for batch in batches} == {16, 17}
    assert all(torch.equal(batch.inputs[:, 0], batch.targets) for batch in batches)


def test_samples_of_a_batch_are_about_as_long_as_each_other():
    padding = sum((batch.inputs.shape[1] - batch.lengths).sum() for batch in SequenceBatches(numbered(), 16, 0, 0, int))
    steps = int(numbered().raw.lengths.sum())
    assert int(padding) < 0.2 * steps


def test_order_depends_on_seed_and_epoch_and_nothing_else():
    def order(seed, epoch):
        return torch.cat([batch.targets for batch in SequenceBatches(numbered(), 16, seed, 0, lambda: epoch)]).tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(*pair)) for pair in ((0, 0), (0, 1), (1, 0))}) == 3


def test_pictures_of_one_size_are_moved_and_those_of_many_widths_are_not():
    pictures = np.zeros((20, 1, 9, 9), np.uint8)
    pictures[:, :, 4, 4] = 255
    spelled = Ragged.of([np.array([2, index + 4, 3]) for index in range(20)])
    (moved,) = SequenceBatches(SequenceSplit(pictures, spelled), 20, 0, 2, lambda: 0)
    places = {tuple(np.argwhere(picture[0].numpy())[0]) for picture in moved.inputs}
    assert len(places) > 5
    assert all(2 <= row <= 6 and 2 <= column <= 6 for row, column in places)
    strings = bars().train
    batch = next(iter(SequenceBatches(strings, len(strings), 0, 2, lambda: 0)))
    expected = strings.batch()
    assert sorted(batch.inputs.flatten(1).sum(1).tolist()) == sorted(expected.inputs.reshape(64, -1).sum(1).tolist())


def loss_of(name, data, change=None):
    """The loss of a small network on one batch, and on the same after a change of it."""
    torch.manual_seed(0)
    sizes = {"frame_labeller": {"in_channels": 3}, "string_reader": {"height": 16, "width": 8},
             "pronouncer": {"source_vocabulary_size": 7}}[name]  # fmt: skip
    network = create(name, data.output_size, hidden_size=8, **sizes).eval()
    objective = get_objective(data.task)
    batch = TensorBatch.of(data.train.batch(slice(6)))
    batch = batch if change is None else change(batch)
    return objective.loss(objective.outputs(network, batch), batch).item()


@pytest.mark.parametrize(
    ("name", "data"), [("frame_labeller", frames()), ("string_reader", bars()), ("pronouncer", capitals())]
)
def test_padding_counts_in_no_loss(name, data):
    def longer(batch):
        targets = torch.cat([batch.targets, torch.ones(6, 3, dtype=torch.int64)], 1)
        time = 3 if batch.inputs.dim() == 4 else 1
        inputs = torch.cat([batch.inputs, torch.ones_like(batch.inputs.narrow(time, 0, 3))], time)
        return batch._replace(inputs=inputs, targets=targets)

    assert loss_of(name, data, longer) == pytest.approx(loss_of(name, data), rel=1e-4)


def test_classes_that_weigh_more_count_more():
    logits, targets = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    batch = TensorBatch(torch.zeros(2, 1), targets)
    plain, weighed = (
        get_objective("sequence-classification", weights).loss(logits, batch)
        for weights in (None, torch.tensor([0.5, 2.0]))
    )
    each = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    assert plain == pytest.approx(each.mean().item())
    assert weighed == pytest.approx(((0.5 * each[0] + 2 * each[1]) / 2.5).item())


def test_class_weights_are_for_classes():
    with pytest.raises(EdgenetError, match="class weights are for classes, and string-recognition has none"):
        get_objective("string-recognition", torch.ones(2))


def worded(counts):
    """A text of known words, each as often as `counts` says, and its data set."""
    vocabulary = Vocabulary("word", (*MARKS, *counts))
    ids = np.repeat(np.arange(len(MARKS), len(vocabulary)), list(counts.values()))
    texts = Ragged.of([np.array([index, 2]) for index in ids])
    split = SequenceSplit(texts, np.zeros(len(ids), np.int64))
    return SequenceDataSet("words", SEQUENCES, split, split, source_vocabulary=vocabulary)


def test_rare_words_become_unknown_more_often_than_frequent_ones_and_marks_never():
    data = worded({"the": 9000, "often": 100, "twice": 2})
    recipe = Recipe(1, 1e-3, batch_size=50, word_dropout=0.5)
    seen = {4: 0, 5: 0, 6: 0}
    for epoch in range(40):
        for batch in make_batches(data, recipe, 0, lambda epoch=epoch: epoch):
            assert (batch.inputs[:, 1] == 2).all()
            for index in seen:
                seen[index] += int((batch.inputs[:, 0] == index).sum())
    kept = {index: count / (40 * of) for (index, count), of in zip(seen.items(), (9000, 100, 2), strict=True)}
    assert 0.999 < kept[4] < 1
    assert kept[5] == pytest.approx(100 / 100.5, abs=0.005)
    assert kept[6] == pytest.approx(2 / 2.5, abs=0.15)


def test_replaced_words_depend_on_seed_and_epoch_and_leave_the_data_alone():
    data = worded({"rare": 3, "other": 200})
    recipe = Recipe(1, 1e-3, batch_size=20, word_dropout=5.0)

    def read(seed, epoch):
        return torch.cat([batch.inputs for batch in make_batches(data, recipe, seed, lambda: epoch)])

    before = data.train.raw.values.copy()
    assert torch.equal(read(0, 1), read(0, 1))
    assert not torch.equal(read(0, 0), read(0, 1))
    assert np.array_equal(data.train.raw.values, before)


def test_word_dropout_is_refused_where_there_are_no_words():
    recipe = Recipe(1, 1e-3, word_dropout=0.5)
    for data in (frames(), bars()):
        with pytest.raises(
            EdgenetError, match=r"word dropout replaces tokens by <unk>, and the inputs of .* have none"
        ):
            make_batches(data, recipe, 0, int)
    with pytest.raises(EdgenetError, match="word dropout is for texts"):
        train("lenet5", ["full"], recipe=recipe)
