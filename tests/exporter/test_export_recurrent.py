"""Recurrent networks are exported with open length and with their state as real input and output."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import edgenet
from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession
from tests.exporter.networks import Reader, binarized


def sequences(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


def zeros(batch):
    return np.zeros((2, batch, 12), np.float32)


@pytest.fixture(scope="module", params=["full", "bwn", "xnor", "xnor with binary ends"])
def exported(request, tmp_path_factory):
    torch.manual_seed(0)
    network = Reader(num_layers=2, batch_first=True)
    scheme = request.param.split()[0]
    if scheme != "full":
        binarized(network, scheme, 6, 5, ends="binary" if "ends" in request.param else "fp32")
    path = tmp_path_factory.mktemp("recurrent") / "reader.onnx"
    result = edgenet.export(network, sequences(1, 4, 5), path, samples=sequences(100, 7, 5))
    return scheme, network.eval(), result


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
        found = session.run({"input": x.numpy(), "state": zeros(batch)})
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_streaming_by_the_state_gives_what_the_whole_sequence_gives(exported):
    _, _, result = exported
    session = InferenceSession(result.path, native=False)
    x = sequences(2, 8, 5).numpy()
    whole = session.run({"input": x, "state": zeros(2)})
    state = zeros(2)
    for part in np.split(x, [3, 4], axis=1):
        logits, state = session.run({"input": part, "state": state})
    np.testing.assert_allclose(logits, whole[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, whole[1], rtol=1e-5, atol=1e-6)


def test_one_node_holds_each_layers_recurrence(exported):
    scheme, _, result = exported
    model = onnx.load(result.path)
    recurrent = {n.name: n.op_type for n in model.graph.node if n.op_type.endswith(("RNN", "Recurrence"))}
    if scheme == "full":
        assert recurrent == {"rnn.layers.0": "RNN", "rnn.layers.1": "RNN"}
    else:
        kind = f"{scheme.capitalize()}Recurrence"
        assert recurrent == {"rnn.layers.0.hidden": kind, "rnn.layers.1.hidden": kind}
    assert [value.name for value in model.graph.input] == ["input", "state"]
    assert [value.name for value in model.graph.output] == ["logits", "final_state"]
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in shape] == ["batch", "time", 5]


@pytest.mark.parametrize(
    "options",
    [{"bidirectional": True, "batch_first": True}, {"nonlinearity": "relu", "bias": False, "batch_first": True}],
    ids=["both directions", "relu without bias"],
)
def test_other_float_elman_layers_become_one_node_too(options, tmp_path):
    torch.manual_seed(0)
    result = edgenet.export(Reader(**options), sequences(1, 4, 5), tmp_path / "reader.onnx")
    kinds = [node.op_type for node in onnx.load(result.path).graph.node]
    assert kinds.count("RNN") == 1
    assert result.agreement == {"plain": 1.0}


class LastStep(nn.Module):
    """An Elman layer inside a network that hands no state on."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(5, 8)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.rnn(x.transpose(0, 1))[0][-1])


@pytest.mark.parametrize("scheme", ["full", "xnor"])
def test_a_network_without_state_starts_from_zeros(scheme, tmp_path):
    torch.manual_seed(0)
    network = LastStep()
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
