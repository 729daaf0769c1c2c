"""8-bit layers and 8-bit activations are exported as operators of their own, and give what torch gives."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import edgenet
from edgenet.models import create
from edgenet.nn import BinaryConv2d, Int8Conv2d, Int8Linear, calibrate
from edgenet.runtime import InferenceSession, library
from tests.exporter.networks import binarized

PATHS = [False, True] if library.available() else [False]


class Mixed(nn.Module):
    """8-bit layers of every geometry, and a binary one, so that nothing but the operators is between in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Int8Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(2, 1), groups=2, bias=False)
        self.dilated = BinaryConv2d(6, 5, 3, dilation=2, padding="same", scheme="bwn", activations="int8")
        self.head = Int8Linear(5, 3)

    def forward(self, x):
        return self.head(self.dilated(self.stem(x)).amax((2, 3)))


class Small(nn.Module):
    """A residual network of one block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 7, stride=2, padding=3, bias=False)
        self.stem_norm, self.norm = nn.BatchNorm2d(8), nn.BatchNorm2d(12)
        self.body = nn.Conv2d(8, 12, 3, padding=1, bias=False)
        self.downsample = nn.Conv2d(8, 12, 1)
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        x = self.stem_norm(self.stem(x)).relu()
        return self.fc((self.norm(self.body(x)) + self.downsample(x)).mean((2, 3)))


def samples(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def nodes_of(path):
    return {node.name: node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.parametrize("native", PATHS)
def test_what_torch_computes_is_what_the_file_computes_to_the_bit(native, tmp_path):
    torch.manual_seed(0)
    network = Mixed().eval()
    path = edgenet.export(network, samples(1, 4, 9, 8), tmp_path / "mixed.onnx", samples=samples(40, 4, 9, 8)).path
    x = samples(5, 4, 9, 8) * torch.logspace(-3, 3, 5).view(-1, 1, 1, 1)
    with torch.no_grad():
        expected = network(x).numpy()
    np.testing.assert_array_equal(InferenceSession(path, native=native).run({"input": x.numpy()})[0], expected)


def test_each_layer_is_one_node_with_its_weights_in_8_bits(tmp_path):
    network = Mixed().eval()
    path = edgenet.export(network, samples(1, 4, 9, 8), tmp_path / "mixed.onnx", samples=samples(40, 4, 9, 8)).path
    nodes = nodes_of(path)
    assert [nodes[name] for name in ("stem", "dilated", "head")] == ["Int8Conv2d", "BwnConv2dInt8", "Int8Linear"]
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    for name in ("stem", "head"):
        weight, scale = (t.detach().numpy() for t in network.get_submodule(name).quantized_weight())
        assert tensors[f"{name}.weight"].dtype == np.int8
        np.testing.assert_array_equal(tensors[f"{name}.weight"], weight)
        np.testing.assert_array_equal(tensors[f"{name}.scale"], scale)
    assert tensors["dilated.weight"].dtype == np.uint8


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
def test_a_network_with_ends_of_8_bits_agrees_with_torch_and_says_so(scheme, tmp_path):
    network = binarized(Small(), scheme, 1, 16, 16, ends="int8", activations="int8")
    result = edgenet.export(network, samples(1, 1, 16, 16), tmp_path / "net.onnx", samples=samples(200, 1, 16, 16))
    assert min(result.agreement.values()) >= 0.995
    nodes = nodes_of(result.path)
    assert nodes["stem"].startswith("Int8Conv2d")
    assert (nodes["downsample"], nodes["fc"]) == ("Int8Conv2d", "Int8Linear")
    assert nodes["body"].startswith("XnorConv2d" if scheme == "xnor" else "BwnConv2dInt8")
    assert "BatchNormalization" not in nodes.values()
    metadata = InferenceSession(result.path, native=False).metadata
    assert (metadata["ends"], metadata["activations"], metadata["scheme"]) == ("int8", "int8", scheme)
    rows = {row["name"]: (row["action"], row["scheme"]) for row in metadata["binary_layers"]}
    assert rows["stem"] == rows["downsample"] == rows["fc"] == ("quantized", "int8")
    assert rows["body"] == ("binarized", scheme)


@pytest.mark.parametrize("name", ["elman", "lstm", "gru"])
def test_a_recurrent_network_with_ends_of_8_bits_agrees_with_torch(name, tmp_path):
    torch.manual_seed(0)
    network = create(name, 3, "bwn", ends="int8", in_channels=5, hidden_size=12)
    calibrate(network, torch.randn(32, 6, 5))
    result = edgenet.export(network, samples(1, 4, 5), tmp_path / "net.onnx", samples=samples(100, 7, 5))
    assert min(result.agreement.values()) >= 0.995
    operators = list(nodes_of(result.path).values())
    assert operators.count("Int8Linear") == 2
