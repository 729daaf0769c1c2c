"""8-bit layers and 8-bit activations: held to the formulas of export/SPEC.md in plain numpy, to the bit."""

import numpy as np
import pytest
import torch
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.nn import BinaryConv2d, BinaryGRU, BinaryLSTM, BinaryRNN, Int8Conv2d, Int8Linear, calibrate
from edgenet.nn.functional import quantize_int8
from tests import reference

CONVOLUTIONS = [
    {"kernel_size": 3},
    {"kernel_size": 7, "stride": 2, "padding": 3},
    {"kernel_size": (1, 2), "padding": (0, 1), "dilation": 2},
    {"kernel_size": 3, "groups": 2, "padding": "same", "bias": False},
]


def geometry(layer: nn.Conv2d) -> dict:
    return {"strides": layer.stride, "pads": layer.pads, "dilations": layer.dilation, "group": layer.groups}


def samples(*shape: int) -> torch.Tensor:
    """Samples of sizes far apart, one of them zeros."""
    x = torch.randn(shape) * torch.logspace(-3, 3, shape[0]).view(-1, *(1,) * (len(shape) - 1))
    x[0] = 0
    return x


def operands(layer: nn.Module) -> list[np.ndarray]:
    """Weights of whole numbers, scale and bias of an 8-bit layer, quantised in numpy."""
    weight = layer.weight.detach().numpy()
    q, scale = reference.quantized(weight, tuple(range(1, weight.ndim)))
    return [q, scale.reshape(-1), bias_of(layer)]


def bias_of(layer: nn.Module) -> np.ndarray:
    return np.zeros(len(layer.weight), np.float32) if layer.bias is None else layer.bias.detach().numpy()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", CONVOLUTIONS)
def test_int8_convolution_is_the_operator_to_the_bit(options, training):
    layer = Int8Conv2d(4, 6, **options).train(training)
    x = samples(5, 4, 9, 8)
    weight, scale, bias = operands(layer)
    assert np.abs(weight).max() == 127
    expected = reference.int8_conv2d(x.numpy(), weight, scale, bias, **geometry(layer))
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(5,), (3, 5), (4, 3, 5), (3, 2500)])
def test_int8_linear_is_the_operator_to_the_bit(shape, training):
    layer = Int8Linear(shape[-1], 4).train(training)
    x = samples(*shape) if len(shape) > 1 else torch.randn(shape)
    expected = reference.int8_linear(x.numpy(), *operands(layer))
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


@pytest.mark.parametrize("options", CONVOLUTIONS)
def test_binary_weights_on_int8_activations_are_the_operator_to_the_bit(options):
    layer = BinaryConv2d(4, 6, scheme="bwn", activations="int8", **options).eval()
    x = samples(5, 4, 9, 8)
    signs = np.where(layer.weight.detach().numpy() >= 0, 1.0, -1.0)
    scale = layer.scaling_factor().detach().numpy()
    expected = reference.int8_conv2d(x.numpy(), signs, scale, bias_of(layer), **geometry(layer))
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)
    trained = layer.train()(x).detach().numpy()
    np.testing.assert_allclose(trained, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    "layer",
    [Int8Conv2d(4, 6, 3), Int8Conv2d(2, 2, 1), BinaryConv2d(4, 6, 3, scheme="bwn", activations="int8").eval()],
)
def test_an_image_without_a_batch_is_a_batch_of_one(layer):
    x = torch.randn(layer.in_channels, 5, 5)
    assert torch.equal(layer(x), layer(x[None])[0])


def test_the_input_half_of_a_recurrent_network_can_be_of_8_bits_to_the_bit():
    rnn = BinaryRNN(5, 8, scheme="xnor", input_scheme="int8")
    calibrate(rnn, torch.randn(7, 16, 5))
    rnn.eval()
    x = samples(4, 3, 5)
    p = rnn.rows()[0].inference_parameters()
    u = reference.int8_linear(x.numpy(), *(t.detach().numpy() for t in (p.input_weight, p.input_scale, p.input_bias)))
    hidden = [t.detach().numpy() for t in (p.hidden_threshold, p.hidden_weight, p.hidden_scale)]
    states, _ = reference.xnor_recurrence(u, *hidden, np.zeros((3, 8), np.float32))
    with torch.no_grad():
        np.testing.assert_array_equal(rnn(x)[1][0].numpy(), states[-1])


@pytest.mark.parametrize("kind", [BinaryRNN, BinaryLSTM, BinaryGRU])
def test_the_8_bit_input_half_of_a_recurrent_network_learns(kind):
    rnn = kind(5, 8, scheme="bwn", input_scheme="int8")
    output, _ = rnn(torch.randn(6, 16, 5))
    output.square().sum().backward()
    gradient = rnn.rows()[0].input.weight.grad
    assert torch.isfinite(gradient).all()
    assert gradient.any()


def test_a_sample_does_not_depend_on_the_others_of_its_batch():
    layer, x = Int8Conv2d(3, 4, 3), samples(4, 3, 6, 6)
    assert torch.equal(layer(x)[1:2], layer(x[1:2]))
    rows = Int8Linear(6, 2)
    assert torch.equal(rows(x)[2, 1, 3], rows(x[2, 1, 3]))


def test_halves_are_rounded_to_even_and_the_largest_value_is_127():
    q, step = quantize_int8(torch.tensor([[-127.0, 0.5, 1.5, 2.5, -0.5, 126.5]]), (-1,))
    assert q.tolist() == [[-127, 0, 2, 2, 0, 126]]
    assert step.item() == 1


@pytest.mark.parametrize(
    ("make_int8", "make_float", "shape"),
    [
        (lambda: Int8Conv2d(4, 6, 3, padding=1), lambda: nn.Conv2d(4, 6, 3, padding=1), (2, 4, 5, 5)),
        (lambda: Int8Linear(40, 6), lambda: nn.Linear(40, 6), (3, 40)),
        (lambda: Int8Linear(1100, 6), lambda: nn.Linear(1100, 6), (3, 1100)),
    ],
)
def test_gradients_are_nearly_those_of_the_float_layer(make_int8, make_float, shape):
    layer, float_layer = make_int8(), make_float()
    float_layer.load_state_dict(layer.state_dict())
    found = torch.randn(shape, requires_grad=True)
    expected = found.detach().clone().requires_grad_()
    weights_of_loss = torch.randn_like(float_layer(expected))
    (layer(found) * weights_of_loss).sum().backward()
    (float_layer(expected) * weights_of_loss).sum().backward()
    pairs = [(found.grad, expected.grad)]
    pairs += [(p.grad, q.grad) for p, q in zip(layer.parameters(), float_layer.parameters(), strict=True)]
    for gradient, float_gradient in pairs:
        error = (gradient - float_gradient).norm() / float_gradient.norm()
        assert error < 0.02


@pytest.mark.parametrize("scale", ["mean", "learnable"])
def test_int8_activations_pass_gradients_to_everything_that_learns(scale):
    layer = BinaryConv2d(4, 6, 3, scheme="bwn", activations="int8", scale=scale)
    plain = BinaryConv2d(4, 6, 3, scheme="bwn", scale=scale)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 4, 6, 6)
    inputs = {each: x.clone().requires_grad_() for each in (layer, plain)}
    for each, given in inputs.items():
        each(given).cos().sum().backward()
    torch.testing.assert_close(inputs[layer].grad, inputs[plain].grad, rtol=0.05, atol=0.05)
    for (name, p), q in zip(layer.named_parameters(), plain.parameters(), strict=True):
        assert (p.grad - q.grad).norm() / q.grad.norm() < 0.05, name


def test_from_float_keeps_the_parameters_and_loads_the_same_keys():
    float_layer = nn.Conv2d(2, 3, 3, bias=False).eval()
    layer = Int8Conv2d.from_float(float_layer)
    assert layer.weight is float_layer.weight
    assert not layer.training
    assert list(layer.state_dict()) == ["weight"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Int8Conv2d(1041, 1, 1), "Int8Conv2d takes at most 1,040 weights an output, these are 1,041"),
        (lambda: Int8Linear(133_145, 1), "Int8Linear takes at most 133,144 weights"),
        (lambda: BinaryConv2d(132_105, 1, 1, scheme="bwn", activations="int8"), "at most 132,104 weights"),
        (lambda: BinaryConv2d(2, 1, 1, activations="int8"), "scheme 'xnor' has 1-bit activations"),
        (lambda: BinaryConv2d(2, 1, 1, scheme="bwn", activations="int4"), "unknown activations 'int4'"),
    ],
)
def test_what_does_not_serve_is_refused(make, message):
    with pytest.raises(EdgenetError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "row"),
    [(lambda row: Int8Conv2d(row, 2, 1), 1040), (lambda row: Int8Linear(row, 2), 133_144)],
)
def test_the_largest_sums_are_exact(make, row):
    layer = make(row).eval()
    with torch.no_grad():
        layer.weight.fill_(1)
        layer.weight[1, -1] = -1
        layer.bias.zero_()
    x = torch.full((1, row, 1, 1) if isinstance(layer, nn.Conv2d) else (1, row), 127.0)
    largest, less = layer(x).flatten().tolist()
    scale = np.float32(1) / np.float32(127)
    assert largest == np.float32(127 * 127 * row) * scale
    assert less == np.float32(127 * 127 * (row - 2)) * scale
