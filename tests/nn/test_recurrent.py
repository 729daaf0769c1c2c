import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.nn import BinaryRNN, calibrate

SCHEMES = ("bwn", "xnor")


def trained(scheme, input_scheme="full", **options):
    """A network whose statistics, gains and thresholds are away from their initial values."""
    rnn = BinaryRNN(5, 8, 2, scheme=scheme, input_scheme=input_scheme, **options)
    calibrate(rnn, torch.randn(*((16, 7) if options.get("batch_first") else (7, 16)), 5))
    for name, parameter in rnn.named_parameters():
        if "norm" in name or "threshold" in name:
            with torch.no_grad():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return rnn.eval()


@pytest.mark.parametrize("input_scheme", ["full", "bwn", "xnor"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_inference_parameters_are_the_layer(scheme, input_scheme):
    rnn = trained(scheme, input_scheme)
    x = torch.randn(7, 3, 5)
    expected = x
    for layer in rnn.rows():
        layer_parameters = layer.inference_parameters()
        seen = expected
        if layer_parameters.input_threshold is not None:
            seen = torch.where(seen >= layer_parameters.input_threshold, 1.0, -1.0)
        u = F.linear(seen, layer_parameters.input_weight) * layer_parameters.input_scale + layer_parameters.input_bias
        p, outputs = torch.zeros(3, 8), []
        for step in u:
            if scheme == "xnor":
                hidden = torch.where(p >= layer_parameters.hidden_threshold, 1.0, -1.0)
            else:
                hidden = torch.tanh(p)
            p = layer_parameters.hidden_scale * F.linear(hidden, layer_parameters.hidden_weight) + step
            outputs.append(torch.tanh(p))
        expected = torch.stack(outputs)
        assert set(layer_parameters.hidden_weight.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(rnn(x)[0], expected)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_sequence_in_pieces_with_the_state_fed_back_is_the_sequence(scheme, batch_first):
    rnn = trained(scheme, batch_first=batch_first)
    time = 1 if batch_first else 0
    x = torch.randn(2, 9, 5) if batch_first else torch.randn(9, 2, 5)
    whole, final = rnn(x)
    pieces, state = [], None
    for piece in x.split([1, 3, 5], time):
        output, state = rnn(piece, state)
        pieces.append(output)
    torch.testing.assert_close(torch.cat(pieces, time), whole)
    torch.testing.assert_close(state, final)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_training_normalises_the_hidden_half_as_inference_does(scheme):
    rnn = trained(scheme)
    x = torch.randn(7, 64, 5)
    inference = rnn(x)[0]
    rnn.train()
    for layer in rnn.rows():
        layer.input_norm.momentum = 0.0
        layer.input_norm.eval()
    torch.testing.assert_close(rnn(x)[0], inference)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_all_parameters_learn(scheme):
    rnn = BinaryRNN(5, 8, 2, scheme=scheme, input_scheme="bwn")
    rnn(torch.randn(7, 16, 5))[0].square().sum().backward()
    for name, parameter in rnn.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_weights_and_biases_of_the_float_network_are_taken_over():
    rnn = nn.RNN(5, 8, 2, batch_first=True)
    binary = BinaryRNN.from_float(rnn, scheme="bwn")
    assert binary.batch_first
    assert torch.equal(binary.rows()[1].input.weight, rnn.weight_ih_l1)
    assert torch.equal(binary.rows()[1].hidden.weight, rnn.weight_hh_l1)
    assert torch.equal(binary.rows()[0].input_norm.bias, rnn.bias_ih_l0 + rnn.bias_hh_l0)


@pytest.mark.parametrize("shape", [(7, 5), (7, 2, 4), (0, 2, 5)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(EdgenetError, match="sequences with 5 features a step"):
        BinaryRNN(5, 8)(torch.zeros(shape))
