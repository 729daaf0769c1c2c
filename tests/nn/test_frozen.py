import math

import pytest
import torch
from torch import nn

from edgenet.nn import (
    BinaryLinear,
    FrozenConv2d,
    FrozenLinear,
    FrozenRNN,
    binarize,
    calibrate,
    clip_latent_weights,
    starved_channels,
)


class Frozen(nn.Module):
    def __init__(self, scheme="bwn"):
        super().__init__()
        self.conv = FrozenConv2d(3, 8, 3, bias=False, scheme=scheme)
        self.hidden = FrozenLinear(32, 16, scheme=scheme)
        self.middle = nn.Linear(16, 12)
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        return self.fc(self.middle(self.hidden(self.conv(x).flatten(1))))


def test_outputs_are_signs_times_inputs_over_the_root_of_the_row():
    layer = FrozenLinear(9, 5)
    x = torch.randn(3, 9)
    for mode in (True, False):
        expected = x @ layer.weight.t() / 3 + layer.bias
        torch.testing.assert_close(layer.train(mode)(x), expected)
    assert set(layer.weight.unique().tolist()) == {-1.0, 1.0}


def test_both_signs_are_as_likely():
    share = (FrozenConv2d(16, 64, 5).weight > 0).float().mean()
    assert abs(share - 0.5) < 4 * 0.5 / math.sqrt(16 * 64 * 25)


def test_the_state_dict_holds_one_bit_a_weight():
    layer = FrozenConv2d(16, 8, 3, bias=False)
    assert {name: (t.dtype, t.numel()) for name, t in layer.state_dict().items()} == {
        "packed_weight": (torch.uint8, 8 * 16 * 9 // 8)
    }


def test_another_seed_gives_other_signs_and_the_state_dict_brings_them_back():
    one, other = FrozenLinear(20, 30), FrozenLinear(20, 30)
    assert not torch.equal(one.weight, other.weight)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.weight, other.weight)


def test_weights_from_a_scheme_without_thresholds_leave_those_that_are_there():
    layer = FrozenLinear(20, 30, scheme="xnor")
    calibrate(layer, torch.rand(64, 20))
    threshold = layer.threshold.detach().clone()
    layer.load_state_dict(FrozenLinear(20, 30).state_dict())
    assert threshold.min() > 0.2
    assert torch.equal(layer.threshold, threshold)


def test_missing_bits_are_still_missed():
    with pytest.raises(RuntimeError, match="packed_weight"):
        FrozenLinear(20, 30).load_state_dict({})


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
def test_binarize_leaves_frozen_layers_and_reports_their_bits(scheme):
    model = Frozen(scheme)
    conv, signs = model.conv, model.conv.weight.clone()
    report = binarize(model, scheme, calibration=torch.randn(16, 3, 4, 4))
    assert model.conv is conv
    assert torch.equal(model.conv.weight, signs)
    assert isinstance(model.middle, BinaryLinear)
    rows = {row.name: (row.action, row.scheme, row.weights) for row in report}
    assert rows["conv"] == ("binarized", scheme, 8 * 27)
    assert rows["hidden"] == ("binarized", scheme, 32 * 16)
    assert rows["fc"][0] == "quantized"


def test_care_of_latent_weights_is_not_for_frozen_ones():
    model = Frozen()
    binarize(model, "bwn", calibration=torch.randn(4, 3, 4, 4))
    with torch.no_grad():
        model.middle.weight.fill_(2.0)
    clip_latent_weights(model)
    assert model.middle.weight.max() == 1
    assert [row.layer for row in starved_channels(model, warn=False)] == ["middle"]


def test_the_recurrence_is_that_of_an_elman_network_of_its_scaled_signs():
    rnn = FrozenRNN(5, 7, radius=0.8, input_gain=0.3)
    layer = rnn.layers[0]
    elman = nn.RNN(5, 7, batch_first=True)
    with torch.no_grad():
        elman.weight_ih_l0.copy_(layer.input.scaled_weight())
        elman.weight_hh_l0.copy_(layer.hidden.scaled_weight())
        elman.bias_ih_l0.copy_(layer.input.bias)
        elman.bias_hh_l0.zero_()
    x = torch.randn(2, 9, 5)
    output, state = rnn(x)
    expected, hidden = elman(x)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(torch.tanh(state), hidden)
