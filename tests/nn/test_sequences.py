"""Zero-padded batches of unequal lengths, and recurrent networks that read in both directions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from edgenet.errors import EdgenetError
from edgenet.nn import (
    BinaryGRU,
    BinaryLSTM,
    BinaryRNN,
    calibrate,
    last_step,
    mask_steps,
    reverse_sequences,
    run_recurrent,
    step_mask,
)

BINARY = {nn.RNN: BinaryRNN, nn.LSTM: BinaryLSTM, nn.GRU: BinaryGRU}
of_every_kind = pytest.mark.parametrize("kind", list(BINARY))


def network(kind, scheme, *, bidirectional=True, layers=2):
    """A calibrated network of 4 inputs and 6 hidden features a direction, batch first."""
    rnn = kind(4, 6, layers, batch_first=True, bidirectional=bidirectional)
    if scheme != "full":
        rnn = BINARY[kind].from_float(rnn, scheme=scheme, input_scheme=scheme)
        calibrate(rnn, torch.randn(16, 7, 4))
    return rnn.eval()


def tensors_of(state):
    return (state,) if isinstance(state, torch.Tensor) else state


def padded(sequences, steps, value=0.0):
    """A batch [N, steps, F] of the sequences, filled up with a value."""
    return torch.stack([nn.functional.pad(s, (0, 0, 0, steps - len(s)), value=value) for s in sequences])


lists_of_lengths = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@pytest.mark.parametrize("scheme", ["full", "bwn", "xnor"])
@of_every_kind
@settings(max_examples=8, deadline=None)
@given(lengths=lists_of_lengths, more=st.integers(0, 3), seed=st.integers(0, 99), junk=st.sampled_from([0.0, 5.0]))
def test_a_sample_gives_alone_what_it_gives_within_a_padded_batch(kind, scheme, lengths, more, seed, junk):
    torch.manual_seed(seed)
    rnn = network(kind, scheme)
    sequences = [torch.randn(length, 4) for length in lengths]
    batch = padded(sequences, max(lengths) + more, junk)
    with torch.no_grad():
        output, state = run_recurrent(rnn, batch, None, torch.tensor(lengths))
        for index, sequence in enumerate(sequences):
            alone, final = rnn(sequence.unsqueeze(0))
            torch.testing.assert_close(output[index, : len(sequence)], alone[0])
            for found, expected in zip(tensors_of(state), tensors_of(final), strict=True):
                torch.testing.assert_close(found[:, index], expected[:, 0])
            assert not output[index, len(sequence) :].any()


@pytest.mark.parametrize("given_state", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@of_every_kind
@settings(max_examples=8, deadline=None)
@given(lengths=lists_of_lengths, more=st.integers(0, 3), seed=st.integers(0, 99), bidirectional=st.booleans())
def test_gradients_are_those_of_torchs_packed_sequences(kind, bias, given_state, lengths, more, seed, bidirectional):
    torch.manual_seed(seed)
    rnn = kind(4, 6, 2, bias=bias, batch_first=True, bidirectional=bidirectional).double()
    batch = padded([torch.randn(length, 4) for length in lengths], max(lengths) + more).double().requires_grad_()
    rows = (len(lengths), 6) if not given_state else (4 if bidirectional else 2, len(lengths), 6)
    tensors = [torch.randn(rows, dtype=torch.double, requires_grad=True) for _ in range(2 if kind is nn.LSTM else 1)]
    state = None if not given_state else tuple(tensors) if kind is nn.LSTM else tensors[0]
    leaves = [batch, *rnn.parameters(), *(tensors if given_state else [])]

    def gradients(output, final):
        torch.manual_seed(seed)
        parts = [output, *tensors_of(final)]
        return torch.autograd.grad(
            sum((part * torch.randn(part.shape, dtype=part.dtype)).sum() for part in parts), leaves
        )

    packed = pack_padded_sequence(batch, torch.tensor(lengths), True, enforce_sorted=False)
    packed_output, expected_final = rnn(packed, state)
    expected, _ = pad_packed_sequence(packed_output, True, total_length=batch.shape[1])
    output, final = run_recurrent(rnn, batch, state, torch.tensor(lengths))
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(tensors_of(final), tensors_of(expected_final))
    torch.testing.assert_close(gradients(output, final), gradients(expected, expected_final))


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
@of_every_kind
@settings(max_examples=5, deadline=None)
@given(
    lengths=lists_of_lengths.filter(lambda lengths: sum(lengths) > 1), more=st.integers(1, 4), seed=st.integers(0, 99)
)
def test_training_sees_nothing_of_the_padding(kind, scheme, lengths, more, seed):
    torch.manual_seed(seed)
    rnn = network(kind, scheme).train()
    sequences = [torch.randn(length, 4) for length in lengths]
    results = []
    start = {name: tensor.clone() for name, tensor in rnn.state_dict().items()}
    for steps, junk in ((max(lengths), 0.0), (max(lengths) + more, 7.0)):
        rnn.load_state_dict(start)
        rnn.zero_grad()
        output, state = rnn(padded(sequences, steps, junk), None, torch.tensor(lengths))
        (output.square().sum() + sum(tensor.sum() for tensor in tensors_of(state))).backward()
        gradients = {name: parameter.grad for name, parameter in rnn.named_parameters()}
        results.append((output[:, : max(lengths)], state, gradients, dict(rnn.named_buffers())))
        results[-1] = tuple(torch.utils._pytree.tree_map(torch.clone, results[-1]))
    torch.testing.assert_close(results[1], results[0])


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
@of_every_kind
def test_running_statistics_are_those_of_the_real_steps_alone(kind, scheme):
    rnn = network(kind, scheme, bidirectional=False, layers=1).train()
    layer = rnn.rows()[0]
    sequences, lengths = [torch.randn(length, 4) for length in (3, 7, 5)], torch.tensor([3, 7, 5])
    layer.input_norm.momentum = layer.hidden_norm.momentum = 1.0
    with torch.no_grad():
        product = layer.input(torch.cat(sequences))
    rnn(padded(sequences, 9, 3.0), None, lengths)
    torch.testing.assert_close(layer.input_norm.running_mean, product.mean(0))
    torch.testing.assert_close(layer.input_norm.running_var, product.var(0, correction=0))


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
@of_every_kind
def test_lengths_that_cover_all_steps_change_nothing(kind, scheme):
    x = torch.randn(3, 7, 4)
    for training in (False, True):
        rnn = network(kind, scheme).train(training)
        start = {name: tensor.clone() for name, tensor in rnn.state_dict().items()}
        expected = rnn(x)
        statistics = {name: tensor.clone() for name, tensor in rnn.named_buffers()}
        rnn.load_state_dict(start)
        torch.testing.assert_close(rnn(x, None, torch.full((3,), 7)), expected)
        torch.testing.assert_close(dict(rnn.named_buffers()), statistics)


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
@of_every_kind
def test_the_reverse_direction_is_the_network_over_the_reversed_sequence(kind, scheme):
    both = network(kind, scheme, layers=1)
    forward, backward = (network(kind, scheme, bidirectional=False, layers=1) for _ in range(2))
    for single, row in ((forward, both.rows()[0]), (backward, both.rows()[1])):
        single.rows()[0].load_state_dict(row.state_dict())
    x = torch.randn(3, 7, 4)
    output, state = both(x)
    torch.testing.assert_close(output[..., :6], forward(x)[0])
    torch.testing.assert_close(output[..., 6:], backward(x.flip(1))[0].flip(1))
    finals = [tensors_of(single(y)[1]) for single, y in ((forward, x), (backward, x.flip(1)))]
    for found, *expected in zip(tensors_of(state), *finals, strict=True):
        torch.testing.assert_close(found, torch.cat(expected))


@of_every_kind
def test_shapes_in_both_directions_are_those_of_torch_and_weights_are_taken_over(kind):
    full = kind(4, 6, 2, batch_first=True, bidirectional=True)
    binary = BINARY[kind].from_float(full, scheme="bwn")
    x = torch.randn(3, 7, 4)
    (output, state), (expected, expected_state) = binary(x), full(x)
    assert output.shape == expected.shape
    assert [t.shape for t in tensors_of(state)] == [t.shape for t in tensors_of(expected_state)]
    assert [layer.input_scheme for layer in binary.rows()] == ["full", "full", "bwn", "bwn"]
    for row, layer in zip(("l0", "l0_reverse", "l1", "l1_reverse"), binary.rows(), strict=True):
        assert torch.equal(layer.input.weight, getattr(full, f"weight_ih_{row}"))
        assert torch.equal(layer.hidden.weight, getattr(full, f"weight_hh_{row}"))


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
@of_every_kind
def test_a_network_trained_on_short_sequences_reads_long_ones(kind, scheme):
    rnn = network(kind, scheme, bidirectional=False).train()
    for _ in range(3):
        rnn(torch.randn(8, 5, 4))
    assert all(buffer.dim() < 2 for buffer in rnn.buffers())  # one set of statistics, whatever the step
    rnn.eval()
    x = torch.randn(2, 60, 4)
    whole, final = rnn(x)
    torch.testing.assert_close(rnn(x[:, :5])[0], whole[:, :5])
    start, state = rnn(x[:, :40])
    rest, end = rnn(x[:, 40:], state)
    torch.testing.assert_close(torch.cat([start, rest], 1), whole)
    torch.testing.assert_close(end, final)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (torch.tensor([3.0, 2.0]), r"whole numbers \[2\], one a sequence of the batch, got torch.float32 \[2\]"),
        (torch.tensor([3]), r"got torch.int64 \[1\]"),
        (torch.tensor([0, 3]), "from 1 to the 5 steps of the padded batch, got 0 to 3"),
        (torch.tensor([2, 6]), "from 1 to the 5 steps of the padded batch, got 2 to 6"),
    ],
)
@pytest.mark.parametrize("scheme", ["full", "xnor"])
def test_lengths_of_another_batch_are_refused(scheme, lengths, message):
    with pytest.raises(EdgenetError, match=message):
        run_recurrent(network(nn.GRU, scheme), torch.zeros(2, 5, 4), None, lengths)


def test_packed_sequences_are_refused_with_a_way_out():
    packed = pack_sequence([torch.zeros(3, 5), torch.zeros(2, 5)])
    with pytest.raises(EdgenetError, match="give the zero-padded batch and its lengths instead"):
        BinaryLSTM(5, 8)(packed)


def test_the_helpers_do_what_they_say():
    lengths = torch.tensor([2, 3])
    x = torch.arange(1.0, 13).view(2, 3, 2)
    assert step_mask(lengths, 3).tolist() == [[True, True], [True, True], [False, True]]
    assert mask_steps(x, lengths)[0].tolist() == [[1, 2], [3, 4], [0, 0]]
    assert last_step(x, lengths).tolist() == [[3, 4], [11, 12]]
    assert last_step(x).tolist() == [[5, 6], [11, 12]]
    by_time = x.transpose(0, 1)
    assert torch.equal(last_step(by_time, lengths, time=0), last_step(x, lengths))
    assert torch.equal(mask_steps(by_time, lengths, time=0), mask_steps(x, lengths).transpose(0, 1))
    assert reverse_sequences(by_time, lengths)[:, 0].tolist() == [[3, 4], [1, 2], [5, 6]]
    assert torch.equal(reverse_sequences(by_time), by_time.flip(0))
