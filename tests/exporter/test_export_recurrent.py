"""Recurrent networks are exported with open length and with their state as real input and output."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import edgenet
from edgenet.errors import EdgenetError
from edgenet.models import create
from edgenet.models.recurrent import LSTMClassifier
from edgenet.nn import calibrate
from edgenet.runtime import InferenceSession
from tests.exporter.networks import binarized

NETWORKS = {"elman": ("RNN", "Recurrence"), "lstm": ("LSTM", "Lstm"), "gru": ("GRU", "Gru")}
"""By network, its recurrent node in full precision, and the end of its operator's name in binary."""
FORMS = [
    (name, form) for name in NETWORKS for form in ("full", "bwn", "xnor with binary ends" if name == "lstm" else "xnor")
]


def sequences(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module", params=FORMS, ids=" ".join)
def exported(request, tmp_path_factory):
    torch.manual_seed(0)
    name, form = request.param
    scheme = form.split()[0]
    network = create(name, 3, scheme, ends="binary" if "ends" in form else "fp32", in_channels=5, hidden_size=12)
    calibrate(network, torch.randn(32, 6, 5))
    path = tmp_path_factory.mktemp("recurrent") / "reader.onnx"
    result = edgenet.export(network, sequences(1, 4, 5), path, samples=sequences(100, 7, 5))
    return (name, scheme), network.eval(), result


def zeros(network, batch):
    layers = 4 if isinstance(network, LSTMClassifier) else 2
    return np.zeros((layers, batch, 12), np.float32)


def test_agrees_with_torch_at_another_length_than_the_examples(exported):
    _, _, result = exported
    assert min(result.agreement.values()) >= 0.995


def test_any_batch_and_length_give_the_result_and_state_of_torch(exported):
    _, network, result = exported
    session = InferenceSession(result.path)
    for batch, time in ((1, 1), (3, 9)):
        x = sequences(batch, time, 5)
        with torch.no_grad():
            expected = [tensor.numpy() for tensor in network(x)]
        found = session.run({"input": x.numpy(), "state": zeros(network, batch)})
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_streaming_by_the_state_gives_what_the_whole_sequence_gives(exported):
    _, network, result = exported
    session = InferenceSession(result.path, native=False)
    x = sequences(2, 8, 5).numpy()
    whole = session.run({"input": x, "state": zeros(network, 2)})
    state = zeros(network, 2)
    for part in np.split(x, [3, 4], axis=1):
        logits, state = session.run({"input": part, "state": state})
    np.testing.assert_allclose(logits, whole[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, whole[1], rtol=1e-5, atol=1e-6)


def test_one_node_holds_each_layers_recurrence(exported):
    (name, scheme), _, result = exported
    model = onnx.load(result.path)
    full, binary = NETWORKS[name]
    recurrent = {n.name: n.op_type for n in model.graph.node if n.op_type.endswith((full, binary))}
    if scheme == "full":
        assert recurrent == {"rnn.layers.0": full, "rnn.layers.1": full}
    else:
        kind = f"{scheme.capitalize()}{binary}"
        assert recurrent == {"rnn.layers.0.hidden": kind, "rnn.layers.1.hidden": kind}
    assert [value.name for value in model.graph.input] == ["input", "state"]
    assert [value.name for value in model.graph.output] == ["logits", "final_state"]
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in shape] == ["batch", "time", 5]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RNN", {"bidirectional": True}),
        ("LSTM", {"bidirectional": True}),
        ("GRU", {"bidirectional": True}),
        ("LSTM", {"bias": False}),
    ],
    ids=["RNN in both directions", "LSTM in both directions", "GRU in both directions", "LSTM without bias"],
)
def test_other_float_layers_become_one_node_too(kind, options, tmp_path):
    torch.manual_seed(0)
    layer = getattr(nn, kind)(5, 12, batch_first=True, **options)
    result = edgenet.export(LastStep(layer), sequences(1, 4, 5), tmp_path / "reader.onnx")
    assert [node.op_type for node in onnx.load(result.path).graph.node].count(kind) == 1
    assert result.agreement == {"plain": 1.0}


def test_a_float_elman_layer_with_relu_becomes_one_node_too(tmp_path):
    torch.manual_seed(0)
    layer = nn.RNN(5, 12, nonlinearity="relu", bias=False, batch_first=True)
    result = edgenet.export(LastStep(layer), sequences(1, 4, 5), tmp_path / "reader.onnx")
    assert [node.op_type for node in onnx.load(result.path).graph.node].count("RNN") == 1
    assert result.agreement == {"plain": 1.0}


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_hidden_half_of_a_binary_recurrence_is_stored_in_bits(kind, tmp_path):
    torch.manual_seed(0)
    network = binarized(LastStep(getattr(nn, kind)(5, 64, batch_first=True)), "xnor", 6, 5)
    result = edgenet.export(network, sequences(1, 4, 5), tmp_path / "last.onnx")
    gates = {"LSTM": 4, "GRU": 3}[kind]
    packed = [t for t in onnx.load(result.path).graph.initializer if t.data_type == onnx.TensorProto.UINT8]
    assert [list(t.dims) for t in packed] == [[gates * 64, 8]]


class LastStep(nn.Module):
    """A recurrent layer inside a network that hands no state on."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = layer
        self.fc = nn.Linear(layer.hidden_size * (2 if layer.bidirectional else 1), 3)

    def forward(self, x):
        if not self.rnn.batch_first:
            x = x.transpose(0, 1)
        output = self.rnn(x)[0]
        return self.fc(output[:, -1] if self.rnn.batch_first else output[-1])


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("scheme", ["full", "xnor"])
def test_a_network_without_state_starts_from_zeros(scheme, kind, tmp_path):
    torch.manual_seed(0)
    network = LastStep(kind(5, 8))
    if scheme == "xnor":
        binarized(network, scheme, 6, 5)
    result = edgenet.export(network, sequences(1, 6, 5), tmp_path / "last.onnx", samples=sequences(50, 6, 5))
    assert [value.name for value in onnx.load(result.path).graph.input] == ["input"]
    assert min(result.agreement.values()) >= 0.995


def test_an_example_of_one_axis_too_few_is_refused(tmp_path):
    with pytest.raises(EdgenetError, match=r"a recurrent model's example is \[batch, time, features\]"):
        edgenet.export(Unbatched(), sequences(2, 5), tmp_path / "reader.onnx")


class Unbatched(nn.Module):
    def forward(self, x, state=None):
        return x, x
