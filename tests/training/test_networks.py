import pytest
import torch
from torch import nn

from edgenet.models import create, list_models
from edgenet.models.registry import factory_options
from edgenet.training import load_checkpoint, save_checkpoint, train
from edgenet.training.networks import Network, find_network
from tests.training.data import make_stripes, tiny


def test_thresholds_set_for_a_network_of_the_registry_are_in_its_report():
    model = find_network("resnet18").build("xnor", 10, calibration=torch.randn(8, 3, 32, 32))
    reasons = {row.name: row.reason for row in model.binarization_report}
    first = "layer1.0.conv1"
    assert reasons[first].startswith("one-sided input: thresholds of ")
    channels = int(model.get_submodule(first).threshold.count_nonzero())
    assert reasons[first] == f"one-sided input: thresholds of {channels} channels set to their means"


class Reader(nn.Module):
    """An Elman network of the user's own, over the rows of a digit."""

    input_shape = (28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(28, 8, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(x)[0][:, -1])


def test_gradients_of_ones_own_recurrent_network_are_clipped(tmp_path):
    networks = train(Reader, epochs=0, out=tmp_path, on_event=lambda event: None)
    assert [network.metadata["recipe"]["gradient_clip"] for network in networks] == [1.0, 1.0, 1.0]
    assert {network.metadata["task"] for network in networks} == {"sequence-classification"}


def test_gradients_of_ones_own_network_for_images_are_not_clipped(tmp_path):
    data = make_stripes(tmp_path / "data")
    (full,) = train(tiny, ["full"], data, epochs=0, out=tmp_path / "run", on_event=lambda event: None)
    assert full.metadata["recipe"]["gradient_clip"] == 0.0


@pytest.mark.parametrize("ending", ["", ".safetensors", ".json"])
def test_a_dot_in_the_name_of_a_checkpoint_stays(tmp_path, ending):
    data = make_stripes(tmp_path / "data")
    (full,) = train(tiny, ["full"], data, epochs=0, out=tmp_path / "run", on_event=lambda event: None)
    path = save_checkpoint(full.model, full.metadata, tmp_path / f"v1.5{ending}")
    assert path == tmp_path / "v1.5.safetensors"
    assert (tmp_path / "v1.5.json").is_file()
    model, _ = load_checkpoint(tmp_path / f"v1.5{ending}", tiny)
    x = torch.randn(2, 3, 10, 10)
    assert torch.equal(model(x), full.model(x))


@pytest.mark.parametrize("entry", list_models(), ids=lambda entry: entry.name)
def test_what_a_checkpoint_keeps_makes_the_same_network_when_defaults_have_changed(entry):
    recorded = Network(entry.name, entry.small).recorded_options()
    assert recorded.keys() == factory_options(entry.name).keys()
    networks = [create(entry.name, 7, **options) for options in (entry.small, recorded)]
    assert repr(networks[0]) == repr(networks[1])
