import pytest
import torch
from torch import nn

from edgenet.nn import BinaryLinear, clip_after_step, clip_latent_weights, latent_signs, starved_channels
from edgenet.nn.latent import StarvedWeightsWarning


def test_latent_weights_are_clipped_and_float_weights_are_not():
    model = nn.Sequential(nn.Linear(3, 4), BinaryLinear(4, 2))
    for parameter in model.parameters():
        nn.init.constant_(parameter, -5.0)
    clip_latent_weights(model)
    assert model[1].weight.unique().tolist() == [-1]
    assert model[1].bias.unique().tolist() == [-5]
    assert model[0].weight.unique().tolist() == [-5]


def test_the_hook_clips_after_every_step_until_removed():
    model = nn.Sequential(BinaryLinear(4, 2, scheme="bwn"))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e3)
    handle = clip_after_step(optimizer, model)

    def step():
        optimizer.zero_grad()
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()

    step()
    assert model[0].weight.abs().max() <= 1
    handle.remove()
    step()
    assert model[0].weight.abs().max() > 1


def test_a_weight_at_the_bound_can_come_back():
    layer = BinaryLinear(2, 1, scheme="bwn", bias=False)
    nn.init.constant_(layer.weight, 1.0)
    layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight.grad.abs().min() > 0


def test_starved_outputs_are_counted_by_cause_and_warned_of():
    model = nn.Sequential(BinaryLinear(3, 4))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -1, 1], [0.1, 0.2, 0.3], [0.1, -0.2, 0.1], [0.1, -0.2, 0.3]]))
    before = latent_signs(model)
    with torch.no_grad():
        model[0].weight[2].neg_()
    with pytest.warns(StarvedWeightsWarning, match="0: of 4 outputs 1 have weights of one sign only"):
        (row,) = starved_channels(model, before)
    assert (row.one_sign, row.saturated, row.never_flipped) == (1, 1, 3)


def test_a_healthy_model_is_not_warned_of():
    model = nn.Sequential(BinaryLinear(64, 8))
    before = latent_signs(model)
    with torch.no_grad():
        model[0].weight.neg_()
    assert starved_channels(model, before) == []
