import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.nn import BinaryConv2d, BinaryLinear, list_estimators

SCHEMES = ("bwn", "xnor")
CONVOLUTIONS = [
    {"kernel_size": 3},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (1, 2), "padding": (0, 1), "dilation": 2},
    {"kernel_size": 3, "groups": 2, "padding": "same", "bias": False},
]


def signs(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x >= 0, 1.0, -1.0)


def filled(layer):
    """A layer whose every parameter matters."""
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("scale", ["mean", "learnable"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("options", CONVOLUTIONS)
def test_convolution_is_scale_times_convolution_of_signs(options, scheme, scale, training):
    layer = filled(BinaryConv2d(4, 6, scheme=scheme, scale=scale, **options)).train(training)
    x = torch.randn(2, 4, 7, 8)
    seen = x if scheme == "bwn" else signs(x - layer.threshold.view(-1, 1, 1))
    factor = layer.weight.abs().mean((1, 2, 3)) if scale == "mean" else layer.scale
    top, left, bottom, right = layer.pads
    y = F.conv2d(
        F.pad(seen, (left, right, top, bottom)),
        signs(layer.weight),
        None,
        layer.stride,
        0,
        layer.dilation,
        layer.groups,
    )
    y = y * factor.view(-1, 1, 1)
    torch.testing.assert_close(layer(x), y if layer.bias is None else y + layer.bias.view(-1, 1, 1))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
def test_linear_is_scale_times_product_of_signs(shape, scheme, training):
    layer = filled(BinaryLinear(5, 4, scheme=scheme)).train(training)
    x = torch.randn(shape)
    seen = x if scheme == "bwn" else signs(x - layer.threshold)
    expected = F.linear(seen, signs(layer.weight)) * layer.weight.abs().mean(1) + layer.bias
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("estimator", list_estimators())
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_all_parameters_get_finite_gradients(estimator, scheme, memory_format):
    layer = BinaryConv2d(4, 6, 3, padding=1, scheme=scheme, scale="learnable", estimator=estimator)
    layer.to(memory_format=memory_format)
    x = torch.randn(2, 4, 5, 5).contiguous(memory_format=memory_format).requires_grad_()
    layer(x).square().sum().backward()
    for name, gradient in [("x", x.grad), *((name, p.grad) for name, p in layer.named_parameters())]:
        assert gradient is not None, name
        assert torch.isfinite(gradient).all(), name
        assert gradient.any(), name


@pytest.mark.parametrize("make", [lambda: BinaryConv2d(3, 4, 2), lambda: BinaryLinear(3, 4)])
def test_in_the_first_of_two_steps_training_has_float_weights_and_inference_binary_ones(make):
    layer = filled(make())
    before = layer.scaled_weight()
    layer.float_weights = True
    assert torch.equal(layer.scaled_weight(), layer.weight)
    x = torch.randn(2, 3, 5, 5) if isinstance(layer, BinaryConv2d) else torch.randn(2, 3)
    trained, inferred = layer.train()(x), layer.eval()(x)
    layer.float_weights = False
    assert not torch.allclose(layer.train()(x), trained)
    assert torch.equal(layer.eval()(x), inferred)
    assert torch.equal(layer.scaled_weight(), before)


def test_inference_of_xnor_is_exact_integers_times_scale():
    layer = BinaryConv2d(64, 8, 3, padding=1, bias=False).eval()
    sums = layer(torch.randn(1, 64, 6, 6)) / layer.scaling_factor().view(-1, 1, 1)
    torch.testing.assert_close(sums, sums.round(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("make_float", "make_binary"),
    [
        (lambda: nn.Conv2d(4, 6, 3), lambda: BinaryConv2d(4, 6, 3, scale="learnable")),
        (lambda: nn.Linear(4, 6), lambda: BinaryLinear(4, 6, scale="learnable")),
    ],
)
def test_weights_of_the_float_layer_load_and_bring_their_scale(make_float, make_binary):
    float_layer, binary = make_float(), make_binary()
    missing, surplus = binary.load_state_dict(float_layer.state_dict(), strict=False)
    assert sorted(missing) == ["scale", "threshold"]
    assert surplus == []
    torch.testing.assert_close(binary.scale.detach(), float_layer.weight.detach().abs().flatten(1).mean(1))


def test_bwn_and_layers_without_threshold_have_torchs_own_keys():
    for layer in (BinaryConv2d(4, 6, 3, scheme="bwn"), BinaryConv2d(4, 6, 3, threshold=False)):
        assert list(layer.state_dict()) == ["weight", "bias"]
        assert layer.threshold is None


def test_layers_can_be_copied_and_stay_independent():
    layer = BinaryConv2d(2, 2, 3)
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.weight.neg_()
    assert not torch.equal(layer.binary_weight(), twin.binary_weight())


@pytest.mark.parametrize("option", [{"scheme": "full"}, {"scale": "median"}, {"estimator": "none"}])
def test_unknown_options_are_refused(option):
    with pytest.raises(EdgenetError, match="unknown"):
        BinaryLinear(2, 2, **option)
