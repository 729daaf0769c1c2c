import pytest
import torch

from edgenet.models import create
from edgenet.models.highway import HighwayLayer

SHAPES = {False: (5, 6), True: (2, 6, 4, 4)}


def close(gate, value):
    """Make a gate give `value`, 0 or 1, whatever it sees."""
    norm = gate[1]
    with torch.no_grad():
        norm.weight.zero_()
        norm.bias.fill_(1000.0 if value else -1000.0)


@pytest.mark.parametrize("convolutional", [False, True])
def test_with_a_transform_gate_of_0_a_layer_is_the_identity(convolutional):
    layer = HighwayLayer(6, convolutional, torch.nn.ReLU)
    close(layer.transform_gate, 0)
    x = torch.randn(SHAPES[convolutional])
    assert torch.equal(layer(x), x)


@pytest.mark.parametrize("convolutional", [False, True])
def test_with_a_transform_gate_of_1_a_layer_is_a_plain_one(convolutional):
    layer = HighwayLayer(6, convolutional, torch.nn.ReLU)
    close(layer.transform_gate, 1)
    x = torch.randn(SHAPES[convolutional])
    assert torch.equal(layer(x), torch.relu(layer.transform(x)))


@pytest.mark.parametrize(("transform", "carry"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_carry_gate_of_its_own_opens_and_closes_by_itself(transform, carry):
    layer = HighwayLayer(6, False, torch.nn.ReLU, carry_gate=True)
    close(layer.transform_gate, transform)
    close(layer.carry_gate, carry)
    x = torch.randn(5, 6)
    expected = transform * torch.relu(layer.transform(x)) + carry * x
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=0)


def test_gates_carry_most_of_the_input_at_first():
    layer = HighwayLayer(64, False, torch.nn.ReLU)
    gate = torch.sigmoid(layer.transform_gate(torch.randn(256, 64)))
    assert gate.mean() < 0.25


@pytest.mark.parametrize("name", ["highway_mlp", "highway_cnn"])
def test_the_carry_gate_is_an_option_in_every_scheme(name):
    for scheme in ("full", "bwn", "xnor"):
        model = create(name, scheme=scheme, width=8, depth=2, carry_gate=True).eval()
        assert sum("carry_gate.0.weight" in key for key in model.state_dict()) == 2 * (
            3 if name == "highway_cnn" else 1
        )
        assert torch.isfinite(model(torch.randn(2, 1, 32, 32))).all()
