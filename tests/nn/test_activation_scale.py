"""Scales of 1-bit activations (XNOR-Net's map K)."""

import pytest
import torch
from torch import nn

import edgenet
from edgenet.errors import EdgenetError
from edgenet.nn import BinaryConv2d, BinaryLinear, BinaryRNN
from tests.nn.test_layers import CONVOLUTIONS, filled


def mean_under_kernel(layer: BinaryConv2d, x: torch.Tensor, output: int, row: int, column: int) -> torch.Tensor:
    """K at one place, of one image, from its definition: loops over the kernel, padding counts as 0."""
    channels = layer.in_channels // layer.groups
    first = output // (layer.out_channels // layer.groups) * channels
    top, left, _, _ = layer.pads
    total = x.new_zeros(())
    for i in range(layer.kernel_size[0]):
        for j in range(layer.kernel_size[1]):
            y = row * layer.stride[0] + i * layer.dilation[0] - top
            z = column * layer.stride[1] + j * layer.dilation[1] - left
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                total = total + x[first : first + channels, y, z].abs().mean()
    return total / (layer.kernel_size[0] * layer.kernel_size[1])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", CONVOLUTIONS)
def test_sums_are_multiplied_with_the_mean_magnitude_under_the_kernel(options, training):
    layer = filled(BinaryConv2d(4, 6, activation_scale=True, **options)).train(training)
    plain = BinaryConv2d(4, 6, **options).train(training)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 4, 7, 8)
    bias = torch.zeros(6) if layer.bias is None else layer.bias
    sums = plain(x) - bias.view(-1, 1, 1)
    y = layer(x)
    shifted = x - layer.threshold.view(-1, 1, 1)
    for image, output, row, column in ((0, 0, 0, 0), (1, 5, 1, 2), (0, 3, y.shape[2] - 1, y.shape[3] - 1)):
        scale = mean_under_kernel(layer, shifted[image], output, row, column)
        expected = sums[image, output, row, column] * scale + bias[output]
        torch.testing.assert_close(y[image, output, row, column], expected)
    torch.testing.assert_close(layer(x[0]), y[0])


@pytest.mark.parametrize("training", [True, False])
def test_a_linear_layer_has_one_scale_a_row(training):
    layer = filled(BinaryLinear(5, 4, activation_scale=True)).train(training)
    plain = BinaryLinear(5, 4).train(training)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 3, 5)
    scale = (x - layer.threshold).abs().mean(2, keepdim=True)
    torch.testing.assert_close(layer(x), (plain(x) - layer.bias) * scale + layer.bias)


def test_twice_the_input_gives_twice_the_output_which_signs_alone_do_not():
    x = torch.randn(1, 4, 6, 6)
    for activation_scale in (True, False):
        layer = BinaryConv2d(4, 3, 3, bias=False, threshold=False, activation_scale=activation_scale).eval()
        torch.testing.assert_close(layer(2 * x), (2 if activation_scale else 1) * layer(x))


def test_gradients_reach_the_input_through_the_scales_as_well():
    layer = BinaryConv2d(2, 3, 3, activation_scale=True, estimator="ste", threshold=False)
    x = (torch.randn(1, 2, 4, 4) * 0.1 + 3).requires_grad_()  # beyond 1, where the estimator gives no gradient
    layer(x).square().sum().backward()
    assert x.grad.any()


def test_binarize_gives_them_to_xnor_layers_and_to_no_others():
    def make() -> nn.Sequential:
        body = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        return nn.Sequential(nn.Conv2d(1, 4, 3), *body, nn.Flatten(), nn.Linear(144, 8), nn.Linear(8, 2))

    model = make()
    edgenet.binarize(model, "xnor", ends="binary", activation_scale=True, calibration=torch.randn(4, 1, 8, 8))
    assert [model[i].activation_scale for i in (0, 1, 2, 4, 5)] == [False, True, True, True, False]
    assert "activation_scale=True" in repr(model[1])
    bwn = make()
    edgenet.binarize(bwn, "bwn", activation_scale=True, calibration="later")
    assert not bwn[1].activation_scale


def test_recurrent_layers_stay_without():
    model = nn.ModuleDict({"rnn": nn.RNN(3, 4), "fc": nn.Linear(4, 2)})
    edgenet.binarize(model, "xnor", activation_scale=True, calibration="later")
    assert isinstance(model["rnn"], BinaryRNN)


@pytest.mark.parametrize("make", [lambda **o: BinaryConv2d(2, 2, 1, **o), lambda **o: BinaryLinear(2, 2, **o)])
def test_float_activations_have_no_scales(make):
    with pytest.raises(EdgenetError, match="'bwn' has float activations, which have no scales"):
        make(scheme="bwn", activation_scale=True)
