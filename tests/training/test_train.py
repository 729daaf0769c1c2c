import json
import math
import os
import signal
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from edgenet.errors import EdgenetError
from edgenet.nn import BinaryConv2d
from edgenet.tasks import load
from edgenet.tasks.dataset import Split
from edgenet.training import Recipe, load_checkpoint, train
from edgenet.training.batches import Batches
from tests.training.data import SHAPE, Shapeless, make_stripes, needs_arguments, no_model, three_classes, tiny

RECIPE = Recipe(4, 5e-3, batch_size=8, shift=1, gradient_clip=5.0, weight_decay=0.01)


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    return make_stripes(tmp_path_factory.mktemp("stripes"))


def run(stripes, out, **options):
    events = []
    options = {"recipe": RECIPE, "on_event": events.append, "progress_bar": False} | options
    return train(options.pop("model", tiny), data=stripes, out=out, **options), events


def weights(folder):
    return {scheme: load_file(folder / f"{scheme}.safetensors") for scheme in ("full", "bwn", "xnor")}


def assert_same(first, second):
    for scheme, tensors in first.items():
        assert tensors.keys() == second[scheme].keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, second[scheme][name]), (scheme, name)


@pytest.fixture(scope="module")
def finished(stripes, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        networks, events = run(stripes, out)
    return out, networks, events


def test_every_scheme_learns_the_stripes_and_lies_in_the_run_folder(finished):
    out, networks, _ = finished
    assert [network.scheme for network in networks] == ["full", "bwn", "xnor"]
    assert all(network.accuracy >= 0.8 for network in networks), [network.accuracy for network in networks]
    names = {path.name for path in out.rglob("*") if path.is_file()}
    schemes = ("full", "bwn", "xnor")
    assert names == {f"{s}.{e}" for s in schemes for e in ("safetensors", "json")} | {"samples.npz", "split.json"}


def test_samples_and_split_are_those_the_accuracy_was_measured_on(finished):
    out, networks, _ = finished
    samples = np.load(out / "samples.npz", allow_pickle=False)
    assert samples["inputs"].dtype == np.float32
    assert samples["targets"].dtype == np.int64
    assert len(samples["targets"]) == len(json.loads((out / "split.json").read_text())["test"]) == 10
    for network in networks:
        with torch.no_grad():
            classes = network.model(torch.from_numpy(samples["inputs"])).argmax(1).numpy()
        assert (classes == samples["targets"]).mean() == network.accuracy


def test_metadata_say_what_was_trained_how_and_how_well(finished):
    _, networks, _ = finished
    metadata = networks[2].metadata
    assert metadata["model"] == "tests.training.data:tiny"
    assert metadata["classes"] == ["horizontal", "vertical"]
    assert metadata["recipe"]["learning_rate"] == RECIPE.learning_rate
    assert metadata["accuracy"] == {"metric": "top1", "value": networks[2].accuracy, "samples": 10}
    assert [row["action"] for row in metadata["layers"]] == ["quantized", "binarized", "binarized", "quantized"]
    assert metadata["distilled"]
    assert not networks[0].metadata["distilled"]


def test_events_tell_of_every_epoch(finished):
    _, _, events = finished
    epochs = [(event.scheme, event.epoch) for event in events if event.kind == "epoch"]
    assert epochs == [(scheme, epoch) for scheme in ("full", "bwn", "xnor") for epoch in (1, 2, 3, 4)]
    losses = [event.loss for event in events if event.kind == "epoch" and event.scheme == "full"]
    assert losses[-1] < losses[0]
    assert str(events[1]).startswith("full: epoch 1/4, loss ")


def test_latent_weights_stay_within_their_bounds(finished):
    _, networks, _ = finished
    assert networks[1].model.body[3].weight.abs().max() <= 1


def test_the_same_seed_gives_the_same_weights_and_another_one_others(finished, stripes, tmp_path):
    again, _ = run(stripes, tmp_path / "again")
    assert_same(weights(finished[0]), weights(tmp_path / "again"))
    other, _ = run(stripes, tmp_path / "other", schemes=["full"], seed=1)
    assert not torch.equal(again[0].model.body[0].weight, other[0].model.body[0].weight)


@pytest.mark.parametrize(("scheme", "epoch"), [("full", 1), ("bwn", 2), ("xnor", 3)])
def test_an_interrupted_run_resumed_ends_with_the_very_same_weights(finished, stripes, tmp_path, scheme, epoch):
    def press_control_c(event):
        if (event.kind, event.scheme, event.epoch) == ("epoch", scheme, epoch):
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(stripes, tmp_path, on_event=press_control_c)
    assert signal.getsignal(signal.SIGINT) is before
    assert (tmp_path / "training-state" / f"{scheme}.safetensors").is_file()
    assert not (tmp_path / f"{scheme}.json").exists()
    networks, events = run(stripes, tmp_path, resume=True)
    assert f"resumed after epoch {epoch}" in [event.text for event in events]
    assert [network.accuracy for network in networks] == [network.accuracy for network in finished[1]]
    assert_same(weights(finished[0]), weights(tmp_path))
    assert not list((tmp_path / "training-state").iterdir())


def test_an_interruption_in_the_middle_of_an_epoch_repeats_that_epoch(finished, stripes, tmp_path):
    calls = 0

    def press_control_c(module, inputs):
        nonlocal calls
        calls += module.training
        if calls == 7:
            os.kill(os.getpid(), signal.SIGINT)

    def watched():
        net = tiny()
        net.register_forward_pre_hook(press_control_c)
        return net

    watched.__module__, watched.__qualname__ = tiny.__module__, tiny.__qualname__
    with pytest.raises(KeyboardInterrupt):
        run(stripes, tmp_path, model=watched)
    calls = 100
    run(stripes, tmp_path, resume=True)
    assert_same(weights(finished[0]), weights(tmp_path))


def test_resuming_a_finished_run_trains_nothing(finished, stripes, tmp_path):
    _, events = run(stripes, finished[0], resume=True)
    assert [event.kind for event in events] == ["note"] * 3


def test_resuming_with_other_options_is_refused(finished, stripes):
    with pytest.raises(EdgenetError, match=r"cannot resume .*: seed was 0 and is now 1; repeat"):
        run(stripes, finished[0], resume=True, seed=1)


def test_of_a_recipe_that_changed_the_message_names_the_setting(finished, stripes):
    with pytest.raises(EdgenetError, match=r"full\.safetensors: epochs of the recipe was \d+ and is now 99; repeat"):
        run(stripes, finished[0], resume=True, epochs=99)


@pytest.mark.parametrize("model", [tiny, "lenet5"])
def test_a_full_network_has_float_ends_and_goes_on_with_any(stripes, tmp_path, model):
    options = {"model": model, "schemes": ["full"], "epochs": 0}
    data = stripes if model is tiny else "digits"
    (full,), _ = run(data, tmp_path, ends="binary", **options)
    assert full.model.ends == full.metadata["ends"] == "fp32"
    _, events = run(data, tmp_path, ends="fp32", resume=True, **options)
    assert [event.kind for event in events] == ["note"]
    _, events = run(data, tmp_path, ends="binary", resume=True, **options)
    assert [event.kind for event in events] == ["note"]


def test_a_new_run_leaves_nothing_of_the_old_one_to_resume(stripes, tmp_path):
    run(stripes, tmp_path, schemes=["full"], epochs=1)

    def press_control_c(event):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(stripes, tmp_path, schemes=["full"], epochs=1, seed=5, on_event=press_control_c)
    networks, _ = run(stripes, tmp_path, schemes=["full"], epochs=1, seed=5, resume=True)
    assert networks[0].metadata["seed"] == 5


def test_no_epochs_means_calibration_only(stripes, tmp_path):
    (full, _, xnor), events = run(stripes, tmp_path, epochs=0)
    assert not [event for event in events if event.kind == "epoch"]
    assert torch.equal(full.model.body[3].weight, xnor.model.body[3].weight)
    assert xnor.model.body[3].threshold.gt(0).all()
    assert xnor.model.body[4].running_mean.any()


def test_the_full_network_is_trained_as_teacher_even_if_not_asked_for(stripes, tmp_path):
    (bwn,), _ = run(stripes, tmp_path / "taught", schemes=["bwn"], epochs=1)
    assert bwn.metadata["distilled"]
    assert (tmp_path / "taught" / "full.json").is_file()
    (bwn,), _ = run(stripes, tmp_path / "alone", schemes=["bwn"], epochs=1, distill=False)
    assert not bwn.metadata["distilled"]
    assert not (tmp_path / "alone" / "full.json").exists()


def test_pretrained_weights_are_where_training_starts(stripes, tmp_path):
    pretrained = three_classes()
    torch.save(pretrained.state_dict(), tmp_path / "net.pth")
    (full,), events = run(stripes, tmp_path / "run", schemes=["full"], epochs=0, weights=tmp_path / "net.pth")
    assert torch.equal(full.model.body[3].weight, pretrained.body[3].weight)
    assert "body.11.weight was left out and starts untrained" in "".join(event.text for event in events)


def test_binary_ends_reach_the_first_and_last_layer(stripes, tmp_path):
    (bwn,), _ = run(stripes, tmp_path, schemes=["bwn"], epochs=1, ends="binary", distill=False)
    assert {row["action"] for row in bwn.metadata["layers"]} == {"binarized"}


def test_ends_and_activations_of_8_bits_are_trained_and_recorded(stripes, tmp_path):
    options = {"schemes": ["full", "bwn"], "epochs": 1, "ends": "int8", "activations": "int8"}
    (full, bwn), _ = run(stripes, tmp_path, **options)
    assert [(row["action"], row["scheme"]) for row in bwn.metadata["layers"]] == [
        ("quantized", "int8"), ("binarized", "bwn"), ("binarized", "bwn"), ("quantized", "int8"),
    ]  # fmt: skip
    assert (bwn.metadata["ends"], bwn.metadata["activations"]) == ("int8", "int8")
    assert (full.metadata["ends"], full.metadata["activations"]) == ("fp32", "fp32")
    for index in (0, 3, 11):
        assert not torch.equal(full.model.body[index].weight, bwn.model.body[index].weight)
    again, _ = load_checkpoint(bwn.checkpoint, tiny)
    x = torch.randn(2, *SHAPE)
    assert torch.equal(again(x), bwn.model(x))
    with pytest.raises(EdgenetError, match="activations was int8 and is now fp32"):
        run(stripes, tmp_path, resume=True, **options | {"activations": "fp32"})


@pytest.mark.filterwarnings("ignore:sign.. gets one-sided input")
def test_the_recipe_of_xnor_net_trains_from_scratch_with_scales_of_activations_and_float_ends(stripes, tmp_path):
    (xnor,), _ = run(stripes, tmp_path, schemes=["xnor"], epochs=2, recipe="xnor-net")
    assert not (tmp_path / "full.json").exists()
    assert (xnor.metadata["ends"], xnor.metadata["distilled"]) == ("fp32", False)
    assert [row["scheme"] for row in xnor.metadata["layers"]] == ["full", "xnor", "xnor", "full"]
    layer = xnor.model.body[3]
    assert (layer.activation_scale, layer.threshold, layer.estimator.name) == (True, None, "ste")
    again, _ = load_checkpoint(xnor.checkpoint, tiny)
    x = torch.randn(2, *SHAPE)
    assert torch.equal(again(x), xnor.model(x))
    (other,), _ = run(stripes, tmp_path / "other", schemes=["xnor"], epochs=0, recipe="xnor-net", ends="binary")
    assert other.metadata["ends"] == "binary"


def test_two_steps_train_float_weights_before_binary_ones(stripes, tmp_path, monkeypatch):
    seen = []
    scaled_weight = BinaryConv2d.scaled_weight
    monkeypatch.setattr(
        BinaryConv2d, "scaled_weight", lambda layer: seen.append(layer.float_weights) or scaled_weight(layer)
    )
    recipe = replace(RECIPE, epochs=6, float_weights=0.5)
    (xnor,), _ = run(stripes, tmp_path, schemes=["xnor"], recipe={"full": RECIPE, "xnor": recipe})
    steps = len(seen) // 2
    assert seen == [True] * steps + [False] * steps
    assert xnor.accuracy >= 0.8
    assert (xnor.metadata["recipe"]["float_weights"], xnor.metadata["epochs"]) == (0.5, 6)


def test_the_second_of_two_steps_has_a_learning_rate_of_its_own(stripes, tmp_path, monkeypatch):
    rates = []
    step = torch.optim.AdamW.step

    def watch(optimizer, *arguments, **options):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(optimizer, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watch)
    recipe = replace(RECIPE, epochs=6, float_weights=0.5, second_rate=0.25)
    run(stripes, tmp_path, schemes=["xnor"], recipe=recipe, distill=False)
    first, second = rates[: len(rates) // 2], rates[len(rates) // 2 :]
    assert second == pytest.approx([rate / 4 for rate in first])
    assert max(first) <= recipe.learning_rate


def test_two_steps_interrupted_between_them_end_with_the_very_same_weights(stripes, tmp_path):
    def press_control_c(event):
        if (event.kind, event.scheme, event.epoch) == ("epoch", "xnor", 2):
            os.kill(os.getpid(), signal.SIGINT)

    options = {"schemes": ["xnor"], "recipe": replace(RECIPE, float_weights=0.5)}
    (whole,), _ = run(stripes, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        run(stripes, tmp_path / "parts", on_event=press_control_c, **options)
    (parts,), _ = run(stripes, tmp_path / "parts", resume=True, **options)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, parts.model.state_dict()[name]), name


def test_mixed_precision_trains_float_weights_and_is_recorded(finished, stripes, tmp_path):
    networks, _ = run(stripes, tmp_path, precision="bf16-mixed")
    assert all(network.accuracy >= 0.8 for network in networks), [network.accuracy for network in networks]
    for network, other in zip(networks, finished[1], strict=True):
        assert (network.metadata["precision"], other.metadata["precision"]) == ("bf16-mixed", "32")
        assert all(t.dtype == torch.float32 for t in network.model.state_dict().values() if t.is_floating_point())
        assert not torch.equal(network.model.body[3].weight, other.model.body[3].weight)
    with pytest.raises(EdgenetError, match="precision was bf16-mixed and is now 32"):
        run(stripes, tmp_path, resume=True)


def test_images_are_mirrored_at_random_and_otherwise_as_they_were():
    raw = np.arange(40 * 3 * 2 * 5, dtype=np.uint8).reshape(40, 3, 2, 5)
    split = Split(raw, np.arange(40), np.zeros(3, np.float32), np.ones(3, np.float32))
    plain, mirrored, again = (list(Batches(split, 8, 1, 0, lambda: 3, flip)) for flip in (False, True, True))
    kinds = []
    for before, after, repeated in zip(plain, mirrored, again, strict=True):
        assert torch.equal(after.inputs, repeated.inputs)
        originals = {int(target): image for image, target in zip(before.inputs, before.targets, strict=True)}
        for image, target in zip(after.inputs, after.targets, strict=True):
            is_mirrored = not torch.equal(image, originals[int(target)])
            assert not is_mirrored or torch.equal(image.flip(2), originals[int(target)])
            kinds.append(is_mirrored)
    assert 10 < sum(kinds) < 30


@pytest.mark.parametrize(
    ("mirrors", "flip", "expected"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_images_are_mirrored_where_the_set_has_it_so_or_the_caller(
    stripes, tmp_path, monkeypatch, mirrors, flip, expected
):
    loaded = replace(load(stripes, SHAPE), mirrors=mirrors)
    monkeypatch.setattr("edgenet.training.data.load", lambda *_, **__: loaded)
    (full,), _ = run(stripes, tmp_path, schemes=["full"], epochs=0, flip=flip)
    assert full.metadata["recipe"]["flip"] is expected


def test_what_are_no_images_is_not_mirrored(tmp_path):
    with pytest.raises(EdgenetError, match="images with classes can be mirrored, and digits has none"):
        train("lstm", data="digits", epochs=0, out=tmp_path, flip=True)


@pytest.mark.parametrize("option", ["ends", "activations"])
def test_precisions_that_are_unknown_are_refused_before_anything_is_trained(stripes, tmp_path, option):
    with pytest.raises(EdgenetError, match=f"unknown {option} 'int4'"):
        run(stripes, tmp_path / "run", **{option: "int4"})
    assert not (tmp_path / "run").exists()


def test_a_network_of_ones_own_is_found_by_name(stripes, tmp_path):
    (full,), _ = run(stripes, tmp_path, model="tests.training.data:tiny", schemes=["full"], epochs=1)
    assert full.metadata["model"] == "tests.training.data:tiny"


def test_a_model_without_input_shape_gets_the_sets_own_or_a_hint(stripes, tmp_path):
    with pytest.raises(EdgenetError, match=r"cannot take samples of shape \(3, 64, 64\).*attribute input_shape"):
        run(stripes, tmp_path, model=Shapeless, schemes=["full"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schemes": ["full", "int8"]}, "unknown scheme 'int8'"),
        ({"schemes": []}, "no schemes given"),
        ({"epochs": -1}, "number of epochs is -1"),
        ({"precision": "8-mixed"}, "unknown precision '8-mixed': use one of 32, bf16-mixed, 16-mixed"),
        ({"recipe": "slow"}, "unknown recipe 'slow': use one of default, thorough, xnor-net"),
        ({"model": "tests.training.data:missing"}, "has no callable 'missing'"),
        ({"model": "no.such.module:net"}, "cannot import 'no.such.module'"),
        ({"model": no_model}, "returned str, not a torch.nn.Module"),
        ({"model": needs_arguments}, "cannot be called without arguments"),
        ({"model": three_classes}, r"gives \[2, 3\] for 2 samples, the data have 2 classes"),
        ({"weights": "missing.pth"}, r"no weights at missing\.pth"),
    ],
)
def test_wrong_use_is_refused(stripes, tmp_path, options, message):
    with pytest.raises(EdgenetError, match=message):
        run(stripes, tmp_path, **({"epochs": 0} | options))


def test_a_damaged_training_state_is_refused(stripes, tmp_path):
    state = tmp_path / "training-state" / "full.safetensors"
    state.parent.mkdir()
    state.write_bytes(b"not a state")
    with pytest.raises(EdgenetError, match="cannot be read as safetensors"):
        run(stripes, tmp_path, schemes=["full"], resume=True)
    save_file({"model.x": torch.zeros(1)}, state)
    with pytest.raises(EdgenetError, match="holds no training state"):
        run(stripes, tmp_path, schemes=["full"], resume=True)


@pytest.mark.parametrize("name", ["lenet5", "elman"])
def test_networks_of_the_registry_learn_digits_in_an_epoch(tmp_path, name):
    (bwn,) = train(
        name, ["bwn"], epochs=1, out=tmp_path, distill=False, on_event=lambda event: None, progress_bar=False
    )
    assert bwn.accuracy > 0.5
    assert math.isclose(bwn.metadata["accuracy"]["value"], bwn.accuracy)


def test_networks_with_a_read_out_in_closed_form_are_fitted_instead_of_trained(tmp_path):
    events = []
    networks = train("elm", out=tmp_path, options={"hidden_size": 200}, on_event=events.append, progress_bar=False)
    assert all(network.accuracy > 0.75 for network in networks), [network.accuracy for network in networks]
    assert not any(network.metadata["distilled"] for network in networks)
    assert [event.kind for event in events if event.kind != "note"] == ["start", "done"] * 3
    assert [event.text for event in events if event.kind == "note"] == [
        "read-out fitted in closed form to 4,000 samples"
    ] * 3
    full, bwn, _ = networks
    assert torch.equal(full.model.hidden.weight, bwn.model.hidden.weight)
    again, _ = load_checkpoint(bwn.checkpoint)
    x = torch.randn(2, 1, 32, 32)
    assert torch.equal(again(x), bwn.model(x))


def test_every_epoch_of_a_closed_form_recipe_adds_the_samples_once_more(stripes, tmp_path):
    events = []
    options = {"recipe": Recipe(3, 0.0, shift=1), "options": {"hidden_size": 8}, "on_event": events.append}
    train("elm", ["full"], data=stripes, out=tmp_path, **options)
    assert "read-out fitted in closed form to 114 samples" in [event.text for event in events]
