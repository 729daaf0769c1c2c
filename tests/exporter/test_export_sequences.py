"""Sequences of unequal lengths, both directions, stacks with state, and embeddings, in the exported file."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import edgenet
from edgenet.errors import EdgenetError
from edgenet.nn import last_step, run_recurrent
from edgenet.runtime import InferenceSession, library
from edgenet.runtime.inspection import inspect

PATHS = [False, *([True] if library.why_portable() is None else [])]
of_every_path = pytest.mark.parametrize("native", PATHS, ids=lambda native: "native" if native else "portable")


class Reader(nn.Module):
    """Many-to-one in both directions."""

    def __init__(self, kind):
        super().__init__()
        self.rnn = kind(5, 12, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(24, 3)

    def forward(self, x, lengths=None):
        output, state = run_recurrent(self.rnn, x, None, lengths)
        final = state[1] if isinstance(state, tuple) else state
        return self.fc(last_step(output, lengths) + torch.cat([final[0], final[1]], 1))


class Labeller(nn.Module):
    """Many-to-many over tokens: an embedding, a stack of three layers, state in and out."""

    def __init__(self, kind):
        super().__init__()
        self.words = nn.Embedding(40, 20, padding_idx=0)
        self.rnn = kind(20, 12, 3, batch_first=True)
        self.fc = nn.Linear(12, 6)
        self.is_lstm = kind is nn.LSTM

    def forward(self, tokens, state=None, lengths=None):
        if state is not None and self.is_lstm:
            state = tuple(state.chunk(2))
        output, final = run_recurrent(self.rnn, self.words(tokens), state, lengths)
        return self.fc(output), torch.cat(final) if self.is_lstm else final


def numbers(*shape, seed=2):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tokens(*shape):
    return torch.randint(1, 40, shape, generator=torch.Generator().manual_seed(2))


FORMS = [(nn.LSTM, "full"), (nn.LSTM, "bwn"), (nn.LSTM, "xnor"), (nn.GRU, "xnor"), (nn.RNN, "bwn")]


@pytest.fixture(scope="module", params=FORMS, ids=lambda form: f"{form[0].__name__} {form[1]}")
def reader(request, tmp_path_factory):
    kind, scheme = request.param
    torch.manual_seed(0)
    network = Reader(kind)
    if scheme != "full":
        edgenet.binarize(network, scheme, calibration=torch.randn(32, 6, 5))
    x, lengths = numbers(40, 9, 5), torch.arange(40) % 9 + 1
    path = tmp_path_factory.mktemp("reader") / "reader.onnx"
    result = edgenet.export(network, x[:1], path, samples={"input": x, "lengths": lengths})
    return kind, scheme, network.eval(), result


def test_files_of_padded_batches_agree_with_torch_on_every_path(reader):
    _, scheme, _, result = reader
    expected = {"plain"} if scheme == "full" else {"portable", "native"} if True in PATHS else {"portable"}
    assert set(result.agreement) == expected
    assert min(result.agreement.values()) >= 0.995


@of_every_path
def test_padding_changes_no_result_of_the_file(reader, native):
    _, scheme, network, result = reader
    session = InferenceSession(result.path, native=native and scheme != "full")
    x, lengths = numbers(4, 8, 5, seed=3), np.array([8, 1, 5, 3])
    with torch.no_grad():
        expected = network(x, torch.from_numpy(lengths)).numpy()
    padded = np.concatenate([x.numpy(), np.full((4, 3, 5), 9, np.float32)], axis=1)
    for row, length in enumerate(lengths):
        padded[row, length:] = 7
        (alone,) = session.run({"input": x[row : row + 1, :length].numpy()})  # without lengths: all steps are real
        np.testing.assert_allclose(alone[0], expected[row], rtol=1e-4, atol=1e-5)
    (found,) = session.run({"input": padded, "lengths": lengths})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_lengths_are_an_input_that_may_be_left_out(reader):
    session = InferenceSession(reader[-1].path)
    assert [value.name for value in session.inputs] == ["input"]
    assert [value.name for value in session.ort.get_overridable_initializers()] == ["lengths"]


def test_each_direction_is_an_operator_of_its_own(reader):
    kind, scheme, _, result = reader
    nodes = [node.op_type for node in onnx.load(result.path).graph.node]
    if scheme == "full":
        assert nodes.count(kind.__name__) == 1
    else:
        name = {"RNN": "Recurrence", "LSTM": "Lstm", "GRU": "Gru"}[kind.__name__]
        assert nodes.count(f"{scheme.capitalize()}{name}") == 2
        assert nodes.count("ReverseSequence") == 2


STACKS = [(nn.LSTM, "full", "fp32"), (nn.LSTM, "xnor", "binary"), (nn.GRU, "bwn", "int8"), (nn.RNN, "xnor", "binary")]


@pytest.fixture(scope="module", params=STACKS, ids=lambda form: f"{form[0].__name__} {form[1]}")
def labeller(request, tmp_path_factory):
    kind, scheme, embeddings = request.param
    torch.manual_seed(0)
    network = Labeller(kind)
    if scheme != "full":
        edgenet.binarize(network, scheme, calibration=tokens(32, 6), embeddings=embeddings)
    path = tmp_path_factory.mktemp("labeller") / "labeller.onnx"
    samples = {"input": tokens(40, 9), "lengths": torch.arange(40) % 9 + 1}
    result = edgenet.export(network, tokens(1, 4), path, samples=samples)
    return embeddings, network.eval(), result


@of_every_path
def test_a_stack_in_chunks_is_the_stack_over_the_whole(labeller, native):
    embeddings, network, result = labeller
    session = InferenceSession(result.path, native=native and embeddings != "fp32")
    x = tokens(2, 11)
    with torch.no_grad():
        expected, expected_state = (tensor.numpy() for tensor in network(x))
    state, pieces = np.zeros_like(expected_state), []
    for chunk in np.split(x.numpy(), [3, 4, 9], axis=1):
        logits, state = session.run({"input": chunk, "state": state})
        pieces.append(logits)
    np.testing.assert_allclose(np.concatenate(pieces, 1), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, expected_state, rtol=1e-4, atol=1e-5)


@of_every_path
def test_the_state_is_that_after_each_sequences_last_step(labeller, native):
    embeddings, network, result = labeller
    session = InferenceSession(result.path, native=native and embeddings != "fp32")
    x, lengths = tokens(3, 7), torch.tensor([7, 2, 4])
    with torch.no_grad():
        initial = torch.randn_like(network(x)[1])
        expected = [tensor.numpy() for tensor in network(x, initial, lengths)]
    found = session.run({"input": x.numpy(), "state": initial.numpy(), "lengths": lengths.numpy()})
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_each_step_counts_in_the_agreement(labeller):
    result = labeller[-1]
    assert min(result.agreement.values()) >= 0.995


def test_embeddings_are_stored_in_few_bits_and_named_by_inspect(labeller):
    embeddings, _, result = labeller
    row = {layer.name: layer for layer in inspect(result.path).layers}["words"]
    bits, table = {"fp32": (32, 40 * 20 * 4), "int8": (8, 40 * 20), "binary": (1, 40 * 3)}[embeddings]
    assert (row.operator, row.weight_bits, row.weights) == ("Embedding", bits, 800)
    assert row.weight_bytes == table + (0 if embeddings == "fp32" else 40 * 4)
    assert row.binary == (embeddings == "binary")
    largest = max(onnx.load(result.path).graph.initializer, key=lambda t: len(t.raw_data) * (40 in t.dims))
    assert len(largest.raw_data) == max(table, 40 * 4)
    assert inspect(result.path).parameters >= 800


def test_inputs_that_the_file_does_not_have_are_refused(tmp_path):
    with pytest.raises(EdgenetError, match="samples for 'width', but the inputs are input, lengths"):
        edgenet.export(Reader(nn.GRU), numbers(1, 4, 5), tmp_path / "r.onnx", samples={"width": numbers(3, 4, 5)})
    samples = {"input": numbers(3, 4, 5), "lengths": torch.ones(2, dtype=torch.int64)}
    with pytest.raises(EdgenetError, match=r"the samples of 'lengths' are \[2\], for 3 inputs"):
        edgenet.export(Reader(nn.GRU), numbers(1, 4, 5), tmp_path / "r.onnx", samples=samples)
