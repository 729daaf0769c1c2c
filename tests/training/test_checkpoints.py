import json
import os
import pickle
from functools import partial

import pytest
import torch

from edgenet.errors import EdgenetError
from edgenet.models.registry import _FACTORIES
from edgenet.training import load_checkpoint, train
from tests.training.data import make_stripes, tiny


@pytest.fixture
def checkpoint(tmp_path):
    train("lenet5", ["xnor"], epochs=0, out=tmp_path, distill=False, ends="binary", on_event=lambda event: None)
    return tmp_path / "xnor.safetensors"


@pytest.mark.parametrize("ending", [".safetensors", ".json", ""])
def test_a_checkpoint_is_read_back_as_it_was(checkpoint, ending):
    model, metadata = load_checkpoint(checkpoint.with_suffix(ending))
    again, _ = load_checkpoint(checkpoint)
    assert (model.scheme, model.ends, metadata["scheme"]) == ("xnor", "binary", "xnor")
    assert not model.training
    x = torch.randn(2, 1, 32, 32)
    assert torch.equal(model(x), again(x))


def test_reading_a_checkpoint_leaves_the_callers_random_numbers_alone(checkpoint):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_checkpoint(checkpoint)
    assert torch.equal(torch.rand(3), expected)


def test_ones_own_network_needs_its_factory_and_is_not_imported(tmp_path):
    data = make_stripes(tmp_path / "data")
    (trained,) = train(tiny, ["xnor"], data, epochs=0, out=tmp_path / "run", distill=False, on_event=lambda event: None)
    with pytest.raises(EdgenetError, match="pass its factory"):
        load_checkpoint(trained.checkpoint)
    model, _ = load_checkpoint(trained.checkpoint, tiny)
    x = torch.randn(2, 3, 10, 10)
    assert torch.equal(model(x), trained.model(x))


def test_a_checkpoint_that_names_code_does_not_run_it(checkpoint, tmp_path):
    path = checkpoint.with_suffix(".json")
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps(metadata | {"model": f"os:mkdir({str(tmp_path / 'proof')!r})"}))
    with pytest.raises(EdgenetError, match="pass its factory"):
        load_checkpoint(checkpoint)
    assert not (tmp_path / "proof").exists()


def test_a_pickle_named_safetensors_is_refused_and_does_not_run(checkpoint, tmp_path):
    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "proof"),)

    checkpoint.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(EdgenetError, match="cannot be read as safetensors"):
        load_checkpoint(checkpoint)
    assert not (tmp_path / "proof").exists()


def change(path, **entries):
    path = path.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "there is no .*safetensors: a checkpoint is"),
        (lambda path: path.with_suffix(".json").unlink(), "there is no .*json: a checkpoint is"),
        (lambda path: path.with_suffix(".json").write_text("{"), "cannot be read as JSON"),
        (lambda path: path.with_suffix(".json").write_text("[]"), "holds no JSON object"),
        (lambda path: path.with_suffix(".json").write_text("{}"), "lacks 'model'"),
        (lambda path: change(path, options={"num_classes": 3}), "not those of the lenet5"),
        (lambda path: change(path, input_shape="32"), "not those of the lenet5"),
        (lambda path: change(path, classes=["a", "b"]), "not those of the lenet5"),
        (lambda path: change(path, scheme="int8"), "unknown scheme 'int8'"),
        (lambda path: change(path, model="lenet6"), "unknown model 'lenet6'"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "cannot be read as safetensors"),
    ],
)
def test_damaged_checkpoints_are_refused(checkpoint, damage, message):
    damage(checkpoint)
    with pytest.raises(EdgenetError, match=message):
        load_checkpoint(checkpoint)


def test_a_checkpoint_outlives_a_new_default(checkpoint, monkeypatch):
    load_checkpoint(checkpoint)
    changed = partial(_FACTORIES["lenet5"], in_channels=3)
    monkeypatch.setitem(_FACTORIES, "lenet5", changed)
    model, _ = load_checkpoint(checkpoint)
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 10)
