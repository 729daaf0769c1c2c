import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.nn import BinaryGRU, BinaryLSTM, BinaryRNN, calibrate, set_progress
from edgenet.nn.running_norm import RunningNorm
from tests import reference

SCHEMES = ("bwn", "xnor")
KINDS = (BinaryRNN, BinaryLSTM, BinaryGRU)
FLOAT = {BinaryRNN: nn.RNN, BinaryLSTM: nn.LSTM, BinaryGRU: nn.GRU}
FORMULAS = {
    (BinaryRNN, "xnor"): reference.xnor_recurrence,
    (BinaryRNN, "bwn"): reference.bwn_recurrence,
    (BinaryLSTM, "xnor"): reference.xnor_lstm,
    (BinaryLSTM, "bwn"): reference.bwn_lstm,
    (BinaryGRU, "xnor"): reference.xnor_gru,
    (BinaryGRU, "bwn"): reference.bwn_gru,
}

of_every_kind = pytest.mark.parametrize("kind", KINDS)
of_either_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def trained(kind, scheme, input_scheme="full", *, inputs=5, hidden=8, layers=2, **options):
    """A network whose statistics, gains, biases and thresholds are away from their initial values."""
    rnn = kind(inputs, hidden, layers, scheme=scheme, input_scheme=input_scheme, **options)
    calibrate(rnn, torch.randn(*((16, 7) if options.get("batch_first") else (7, 16)), inputs))
    for name, parameter in rnn.named_parameters():
        if "weight" not in name or "norm" in name:
            with torch.no_grad():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return rnn.eval()


def initial_state(kind, *shape):
    state = tuple(torch.randn(shape) for _ in range(kind.cell.states))
    return state if len(state) > 1 else state[0]


def tensors_of(state):
    return (state,) if isinstance(state, torch.Tensor) else state


@torch.no_grad()
def by_the_specification(rnn, kind, x, state):
    """Output and state of the network, layer by layer and step by step in numpy: the text of export/SPEC.md."""
    x, finals = x.numpy(), []
    for index, layer in enumerate(rnn.rows()):
        p = layer.inference_parameters()
        values = {name: value.numpy() for name, value in vars(p).items() if isinstance(value, torch.Tensor)}
        linear = [values["input_weight"], values["input_scale"], values["input_bias"]]
        if p.input_scheme == "xnor":
            u = reference.xnor_linear(x, values["input_threshold"], *linear)
        else:
            u = reference.bwn_linear(x, *linear)
        names = ["hidden_threshold"] * (p.scheme == "xnor") + ["hidden_weight", "hidden_scale"]
        hidden = [values[name] for name in names + ["hidden_bias"] * (p.hidden_bias is not None)]
        states, *final = FORMULAS[kind, p.scheme](u, *hidden, *(tensor[index].numpy() for tensor in tensors_of(state)))
        finals.append(final)
        x = np.tanh(states) if kind is BinaryRNN else states
    return x, [np.stack(parts) for parts in zip(*finals, strict=True)]


@of_every_kind
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_inference_with_binary_activations_is_the_specification_to_the_bit(kind, data):
    sizes = {name: data.draw(st.integers(1, 20), label=name) for name in ("inputs", "hidden")}
    layers, steps, batch = (data.draw(st.integers(1, 3)) for _ in range(3))
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    rnn = trained(kind, "xnor", "xnor", layers=layers, **sizes)
    x, state = torch.randn(steps, batch, sizes["inputs"]), initial_state(kind, layers, batch, sizes["hidden"])
    with torch.no_grad():
        output, final = rnn(x, state)
    expected, expected_final = by_the_specification(rnn, kind, x, state)
    if kind is BinaryRNN:  # tanh has no definition to the bit
        np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(output, expected)
    for found, tensor in zip(tensors_of(final), expected_final, strict=True):
        np.testing.assert_array_equal(found, tensor)


@pytest.mark.parametrize("input_scheme", ["full", "bwn", "xnor"])
@of_either_scheme
@of_every_kind
def test_inference_is_the_specification(kind, scheme, input_scheme):
    rnn = trained(kind, scheme, input_scheme)
    x, state = torch.randn(7, 3, 5), initial_state(kind, 2, 3, 8)
    with torch.no_grad():
        output, final = rnn(x, state)
    expected, expected_final = by_the_specification(rnn, kind, x, state)
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)
    for found, tensor in zip(tensors_of(final), expected_final, strict=True):
        np.testing.assert_allclose(found, tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_first", [True, False])
@of_either_scheme
@of_every_kind
def test_a_sequence_in_pieces_with_the_state_fed_back_is_the_sequence(kind, scheme, batch_first):
    rnn = trained(kind, scheme, batch_first=batch_first)
    time = 1 if batch_first else 0
    x = torch.randn(2, 9, 5) if batch_first else torch.randn(9, 2, 5)
    whole, final = rnn(x)
    pieces, state = [], None
    for piece in x.split([1, 3, 5], time):
        output, state = rnn(piece, state)
        pieces.append(output)
    torch.testing.assert_close(torch.cat(pieces, time), whole)
    torch.testing.assert_close(state, final)


@of_every_kind
def test_shapes_of_output_and_state_are_those_of_torch(kind):
    binary, full = kind(5, 8, 2, batch_first=True), FLOAT[kind](5, 8, 2, batch_first=True)
    x = torch.randn(3, 7, 5)
    (output, state), (expected, expected_state) = binary(x), full(x)
    assert type(state) is type(expected_state)
    assert output.shape == expected.shape
    assert [t.shape for t in tensors_of(state)] == [t.shape for t in tensors_of(expected_state)]


@of_either_scheme
@of_every_kind
def test_training_normalises_as_inference_does(kind, scheme):
    rnn = trained(kind, scheme)
    x = torch.randn(7, 64, 5)
    inference = rnn(x)[0]
    rnn.train()
    for layer in rnn.rows():
        layer.input_norm.momentum = 0.0
    torch.testing.assert_close(rnn(x)[0], inference)


@of_every_kind
def test_statistics_follow_ever_more_slowly_as_training_goes_on_and_stand_still_at_its_end(kind):
    rnn = kind(5, 8, scheme="bwn")
    moved = []
    for progress in (0.0, 0.5, 1.0):
        set_progress(rnn, progress)
        before = [buffer.clone() for buffer in rnn.buffers()]
        rnn(2 + 3 * torch.randn(7, 64, 5))
        moved.append(sum(float((now - then).abs().sum()) for now, then in zip(rnn.buffers(), before, strict=True)))
    assert moved[0] > 2 * moved[1] > 0
    assert moved[2] == 0


@of_either_scheme
@of_every_kind
def test_all_parameters_learn(kind, scheme):
    rnn = kind(5, 8, 2, scheme=scheme, input_scheme="bwn")
    rnn(torch.randn(7, 16, 5))[0].square().sum().backward()
    for name, parameter in rnn.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@of_every_kind
def test_dropout_is_between_layers_and_in_training_only(kind):
    torch.manual_seed(0)
    rnn = trained(kind, "bwn", dropout=0.5)
    x = torch.randn(7, 3, 5)
    assert torch.equal(rnn(x)[0], rnn(x)[0])
    rnn.train()
    for layer in rnn.rows():
        layer.eval()
    assert not torch.equal(rnn(x)[0], rnn(x)[0])
    alone = trained(kind, "bwn", layers=1, dropout=0.5).train()
    alone.rows()[0].eval()
    assert torch.equal(alone(x)[0], alone(x)[0])


@pytest.mark.parametrize("scale", ["mean", "learnable"])
@of_every_kind
def test_weights_and_biases_of_the_float_network_are_taken_over(kind, scale):
    full = FLOAT[kind](5, 8, 2, batch_first=True, dropout=0.25)
    binary = kind.from_float(full, scheme="bwn", scale=scale)
    assert (binary.batch_first, binary.dropout) == (True, 0.25)
    layer = binary.rows()[1]
    assert torch.equal(layer.input.weight, full.weight_ih_l1)
    assert torch.equal(layer.hidden.weight, full.weight_hh_l1)
    torch.testing.assert_close(layer.hidden.scaling_factor(), full.weight_hh_l1.abs().mean(1))
    if kind is BinaryGRU:
        assert torch.equal(layer.input_norm.bias[:16], (full.bias_ih_l1 + full.bias_hh_l1)[:16])
        assert torch.equal(layer.input_norm.bias[16:], full.bias_ih_l1[16:])
        assert torch.equal(layer.hidden_bias, full.bias_hh_l1[16:])
    else:
        assert torch.equal(layer.input_norm.bias, full.bias_ih_l1 + full.bias_hh_l1)


def test_forget_gates_are_open_at_first():
    bias = BinaryLSTM(5, 8).rows()[0].input_norm.bias
    assert bias.tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16


def test_an_lstm_without_biases_keeps_its_open_forget_gates():
    binary = BinaryLSTM.from_float(nn.LSTM(5, 8, bias=False), scheme="bwn")
    assert binary.rows()[0].input_norm.bias[8:16].tolist() == [1.0] * 8


@of_every_kind
@pytest.mark.parametrize("shape", [(7, 5), (7, 2, 4), (0, 2, 5)])
def test_other_shapes_are_refused(kind, shape):
    with pytest.raises(EdgenetError, match=f"{kind.__name__} needs a batch of sequences with 5 features a step"):
        kind(5, 8)(torch.zeros(shape))


@of_every_kind
def test_a_state_of_another_shape_is_refused(kind):
    states = kind.cell.states
    with pytest.raises(EdgenetError, match=rf"the state of this {kind.__name__} is {states} x \[2, 3, 8\]"):
        kind(5, 8, 2)(torch.zeros(7, 3, 5), initial_state(kind, 1, 3, 8))


@of_every_kind
def test_stochastic_signs_are_drawn_in_training_and_never_at_inference(kind):
    rnn = trained(kind, "xnor", "xnor", stochastic=True)
    x = torch.randn(6, 4, 5)
    first, second = (rnn.train()(x)[0] for _ in range(2))
    assert not torch.equal(first, second)
    first.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in rnn.parameters())
    inferred = rnn.eval()(x)[0]
    assert torch.equal(inferred, rnn(x)[0])
    plain = trained(kind, "xnor", "xnor")
    plain.load_state_dict(rnn.state_dict())
    assert torch.equal(plain.eval()(x)[0], inferred)


def of_strong_weights(kind, scheme):
    """A float network whose weights make what its gates do matter, as training does, and its binary version."""
    torch.manual_seed(0)
    full = FLOAT[kind](6, 24, 2)
    with torch.no_grad():
        for parameter in full.parameters():
            parameter.mul_(4)
    return full.eval(), kind.from_float(full, scheme=scheme, scale="mean")


@pytest.mark.parametrize("kind", [BinaryLSTM, BinaryGRU])
@of_either_scheme
def test_fitted_gains_bring_a_network_closer_to_the_full_one(kind, scheme):
    full, binary = of_strong_weights(kind, scheme)
    x = torch.randn(12, 32, 6)

    def distance():
        with torch.no_grad():
            return (binary.eval()(x)[0] - full(x)[0]).square().mean()

    calibrate(binary, x)
    before = distance()
    calibrate(binary, x, gains=True)
    assert distance() < 0.8 * before


@of_every_kind
def test_fitted_gains_do_not_see_padding(kind):
    lengths, x = torch.randint(2, 9, (16,)), torch.randn(8, 16, 6)
    longer = torch.cat([x, torch.randn(3, 16, 6)])
    fitted = []
    for inputs in (x, longer):
        _, binary = of_strong_weights(kind, "bwn")
        calibrate(binary, (inputs, None, lengths), gains=True)
        fitted.append([row.hidden_norm.weight for row in binary.rows()])
    for short, long in zip(*fitted, strict=True):
        torch.testing.assert_close(short, long)


@of_either_scheme
def test_after_gains_are_fitted_bwn_holds_its_statistics_and_xnor_the_gradient_of_its_scales(scheme):
    _, binary = of_strong_weights(BinaryLSTM, scheme)
    calibrate(binary, torch.randn(5, 8, 6), gains=True)
    set_progress(binary, 0.1)
    hidden = binary.rows()[0].hidden_norm
    before = hidden.running_var.clone()
    binary.train()
    binary(10 * torch.randn(5, 8, 6))
    assert torch.equal(hidden.running_var, before) == (scheme == "bwn")
    assert binary.rows()[0].hidden.trains_mean_scale == (scheme == "bwn")


@settings(deadline=None, max_examples=20)
@given(st.integers(3, 40), st.integers(1, 6), st.integers(0, 2**31))
def test_a_fitted_norm_is_the_line_of_least_squares(samples, features, seed):
    generator = torch.Generator().manual_seed(seed)
    z, wanted = (torch.randn((samples, features), generator=generator, dtype=torch.float64) for _ in range(2))
    norm = RunningNorm(features).double()
    offset = norm.fit(z, wanted)
    found = norm.eval()(z) + offset
    for feature in range(features):
        slope, intercept = np.polyfit(z[:, feature].numpy(), wanted[:, feature].numpy(), 1)
        line = slope * z[:, feature].numpy() + intercept
        # A little apart by what keeps the norm from dividing by 0.
        np.testing.assert_allclose(found[:, feature].detach().numpy(), line, rtol=1e-3, atol=1e-3)
