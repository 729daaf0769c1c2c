"""Trainings on one's own sequences: what they reach, leave in the run folder, and take up again."""

import json
import os
import re
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgenet.errors import EdgenetError
from edgenet.tasks.held_out import HeldOut
from edgenet.training import Recipe, load_checkpoint, train
from tests.training.data import make_stripes
from tests.training.sequences import write_capitals, write_messages, write_rhymes

RECIPE = Recipe(6, 0.02, batch_size=12, gradient_clip=1.0, embeddings="binary", balanced=True)
TOKENS = Recipe(4, 0.02, batch_size=12, gradient_clip=1.0)
STOPPING = Recipe(40, 0.02, batch_size=12, gradient_clip=1.0, patience=2)
SMALL = {"embedding_size": 12, "hidden_size": 12}


def run(data, out, model="text_classifier", **options):
    events = []
    options = {"recipe": RECIPE, "options": SMALL, "on_event": events.append, "progress_bar": False} | options
    return train(model, data=data, out=out, **options), events


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    return write_messages(tmp_path_factory.mktemp("messages") / "messages.tsv")


@pytest.fixture(scope="module")
def finished(messages, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    networks, events = run(messages, out)
    return out, networks, events


def test_every_scheme_learns_the_rare_class_of_messages(finished):
    _, networks, events = finished
    for network in networks:
        accuracy = network.metadata["accuracy"]
        assert accuracy["metric"] == "f1"
        assert accuracy["value"] == network.accuracy >= 0.8, network.scheme
    done = [str(event) for event in events if event.kind == "done"]
    assert done[0].startswith("full: F1 of the rarer class ")


def test_the_run_folder_has_what_an_app_and_a_device_need(finished):
    out, networks, _ = finished
    vocabulary = json.loads((out / "source-vocabulary.json").read_text())
    assert networks[0].metadata["options"]["vocabulary_size"] == len(vocabulary["tokens"])
    held_out = HeldOut.load(out / "samples.npz")
    assert held_out.inputs.shape == (len(held_out), held_out.lengths.max())
    with torch.no_grad():
        logits = networks[1].model(torch.from_numpy(held_out.inputs), torch.from_numpy(held_out.lengths))
    assert held_out.value(logits.argmax(1).tolist()) == networks[1].accuracy


@pytest.mark.parametrize("scheme", ["full", "xnor"])
def test_a_checkpoint_gives_the_network_back(finished, scheme):
    out, networks, _ = finished
    trained = {network.scheme: network for network in networks}[scheme]
    model, metadata = load_checkpoint(out / scheme)
    held_out = HeldOut.load(out / "samples.npz")
    arguments = torch.from_numpy(held_out.inputs), torch.from_numpy(held_out.lengths)
    assert metadata["output_size"] == 2
    with torch.no_grad():
        assert torch.equal(model(*arguments), trained.model(*arguments))


def test_an_interrupted_run_resumed_ends_with_the_very_same_weights(finished, messages, tmp_path):
    def press_control_c(event):
        if (event.kind, event.scheme, event.epoch) == ("epoch", "bwn", 2):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(messages, tmp_path, schemes=["full", "bwn"], on_event=press_control_c)
    _, events = run(messages, tmp_path, schemes=["full", "bwn"], resume=True)
    assert "resumed after epoch 2" in [event.text for event in events]
    for scheme in ("full", "bwn"):
        before, after = (load_file(folder / f"{scheme}.safetensors") for folder in (finished[0], tmp_path))
        assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.fixture(scope="module")
def stopped(messages, tmp_path_factory):
    out = tmp_path_factory.mktemp("stopped")
    return out, *run(messages, out, schemes=["full"], recipe=STOPPING)


def test_training_stops_early_with_the_weights_that_did_best(stopped):
    out, (full,), events = stopped
    epochs = [event.epoch for event in events if event.kind == "epoch"]
    note = next(event.text for event in events if event.kind == "note")
    best = int(re.fullmatch(r"weights of epoch (\d+), the best on the validation split", note)[1])
    assert epochs[-1] == best + STOPPING.patience < STOPPING.epochs
    assert not list((out / "training-state").iterdir())
    # What is looked at is no part of what is learnt, nor of what is measured.
    assert full.metadata["training_samples"] + len(HeldOut.load(out / "samples.npz")) < 120


def test_an_early_stop_is_the_same_after_an_interruption(stopped, messages, tmp_path):
    def press_control_c(event):
        if (event.kind, event.epoch) == ("epoch", 2):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(messages, tmp_path, schemes=["full"], recipe=STOPPING, on_event=press_control_c)
    run(messages, tmp_path, schemes=["full"], recipe=STOPPING, resume=True)
    before, after = (load_file(folder / "full.safetensors") for folder in (stopped[0], tmp_path))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_language_model_learns_which_letter_follows(tmp_path):
    text = write_rhymes(tmp_path / "rhymes.txt")
    recipe = Recipe(8, 0.02, batch_size=10, gradient_clip=1.0)
    options = {"model": "language_model", "recipe": recipe, "options": {**SMALL, "num_layers": 1}}
    (full, bwn), _ = run(text, tmp_path / "run", schemes=["full", "bwn"], **options)
    # The first letter is one of four and the end may come after any: about 5 bits in 8 characters or so.
    for network in (full, bwn):
        assert network.metadata["accuracy"]["metric"] == "bits_per_character"
        assert 0 < network.accuracy < 1.3, network.scheme
    assert (tmp_path / "run" / "target-vocabulary.json").is_file()


def test_an_encoder_decoder_learns_to_spell_in_capitals(tmp_path):
    write_capitals(tmp_path / "text")
    recipe = Recipe(40, 0.01, batch_size=15, gradient_clip=1.0)
    data_options = {"languages": ("small", "large"), "unit": "character"}
    options = {"model": "translator", "recipe": recipe, "options": {"embedding_size": 12, "hidden_size": 32}}
    (full, bwn), _ = run(
        tmp_path / "text", tmp_path / "run", schemes=["full", "bwn"], data_options=data_options, **options
    )
    for network in (full, bwn):
        assert network.metadata["accuracy"]["metric"] == "exact_match"
        assert network.accuracy > 0.5, network.scheme
    assert bwn.metadata["distilled"]


def test_pictures_of_strings_are_learnt_without_alignment(tmp_path):
    recipe = Recipe(3, 0.01, batch_size=10, gradient_clip=1.0)
    (full, xnor), events = run(
        "digit-strings", tmp_path, "string_reader", schemes=["full", "xnor"], recipe=recipe,
        options={"width": 4, "hidden_size": 12}, data_options={"train": 60, "test": 8, "long": 1},
    )  # fmt: skip
    for network in (full, xnor):
        assert network.metadata["accuracy"]["metric"] == "exact_match"
        assert network.metadata["output_size"] == 11
        losses = [event.loss for event in events if event.kind == "epoch" and event.scheme == network.scheme]
        assert losses[-1] < losses[0]
    # A network spells at steps of its own: another's are no example.
    assert not xnor.metadata["distilled"]


def test_a_network_without_data_of_its_own_says_what_to_give(tmp_path):
    with pytest.raises(EdgenetError, match=r"no built-in data set for text_classifier.*label<TAB>text"):
        train("text_classifier", out=tmp_path)


def test_data_of_another_kind_than_the_network_takes_are_refused(messages, tmp_path):
    with pytest.raises(EdgenetError, match="frame_classifier takes sequences of features, messages holds token ids"):
        train("frame_classifier", data=messages, out=tmp_path)


def test_options_of_sequences_are_refused_for_images(tmp_path):
    with pytest.raises(EdgenetError, match="lenet5 takes samples of one size, whose data have no languages"):
        train("lenet5", data=make_stripes(tmp_path / "images"), data_options={"languages": "en"}, out=tmp_path)


def test_classes_may_be_balanced_for_images_too(tmp_path):
    recipe = Recipe(1, 1e-3, batch_size=8, balanced=True)
    data = make_stripes(tmp_path / "images")
    (full,) = train("tests.training.data:tiny", ["full"], data, recipe=recipe, out=tmp_path / "run", progress_bar=False)
    assert full.metadata["recipe"]["balanced"]
    assert np.isfinite(full.accuracy)


def test_sequences_train_in_mixed_precision(messages, tmp_path):
    networks, _ = run(messages, tmp_path, precision="bf16-mixed")
    assert all(network.accuracy >= 0.8 for network in networks), [network.accuracy for network in networks]


def test_a_labeller_of_tokens_learns_from_a_file_of_ones_own(tmp_path):
    random = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        for word in random.choice(["Anna", "Ben", "runs", "sees"], random.integers(2, 6)):
            lines.append(f"{word}\t{'NAME' if word[0].isupper() else 'VERB'}")
        lines.append("")
    (tmp_path / "text.conll").write_text("\n".join(lines))
    networks, _ = run(tmp_path / "text.conll", tmp_path / "run", model="token_labeller", recipe=TOKENS)
    assert [network.metadata["classes"] for network in networks] == [["NAME", "VERB"]] * 3
    assert all(network.accuracy >= 0.95 for network in networks), [network.accuracy for network in networks]


def test_a_language_model_learns_by_chunks_with_the_state_carried_on(tmp_path):
    text = write_rhymes(tmp_path / "rhymes.txt")
    options = {"embedding_size": 8, "hidden_size": 16, "dropout": 0.0}
    recipe = Recipe(6, 0.01, batch_size=12, gradient_clip=1.0, tbptt=3)
    (full, bwn), events = run(
        text, tmp_path / "run", model="language_model", schemes=["full", "bwn"], recipe=recipe, options=options
    )
    assert bwn.metadata["distilled"]
    assert bwn.metadata["recipe"]["tbptt"] == 3
    losses = [event.loss for event in events if event.kind == "epoch" and event.scheme == "full"]
    assert losses[-1] < 0.7 * losses[0]
    # Each letter but the first follows from the one before: chance is 2 bits and more.
    assert full.accuracy < 1.3
    assert bwn.accuracy < 1.6


def test_chunks_of_a_whole_sequence_are_back_propagation_in_full(tmp_path):
    text = write_rhymes(tmp_path / "rhymes.txt", 40)
    options = {"embedding_size": 8, "hidden_size": 8, "dropout": 0.0}
    losses = []
    for tbptt in (0, 1000):
        recipe = Recipe(1, 0.01, batch_size=12, gradient_clip=1.0, tbptt=tbptt)
        _, events = run(
            text, tmp_path / str(tbptt), model="language_model", schemes=["full"], recipe=recipe, options=options
        )
        losses += [(event.loss, event.accuracy) for event in events if event.kind == "epoch"]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_chunks_are_refused_where_no_state_is_handed_on(messages, tmp_path):
    with pytest.raises(EdgenetError, match=r"\(tbptt 4\) is for networks that hand on a state, such as language_model"):
        run(messages, tmp_path, schemes=["full"], recipe=Recipe(1, 0.01, tbptt=4))
