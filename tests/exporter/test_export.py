"""`edgenet.export` writes one verified file that computes what the torch model computes."""

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import edgenet
from edgenet.errors import EdgenetError
from edgenet.exporter.functions import OPERATOR_SET
from edgenet.runtime import InferenceSession, library
from edgenet.runtime.inspection import inspect
from tests.exporter.networks import Branches, Chain, Classifier, Lying, binarized, trained

METADATA = {"classes": ["a", "b", "c", "d"], "preprocessing": {"mean": 0.5}, "task": "image-classification"}
PATHS = {"portable", "native"} if library.available() else {"portable"}


def samples(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A user's network, made xnor, and its exported file."""
    network = binarized(Classifier(), "xnor", 1, 9, 9)
    path = tmp_path_factory.mktemp("new") / "deeper" / "classifier.onnx"
    result = edgenet.export(network, samples(1, 1, 9, 9), path, samples=samples(200, 1, 9, 9), metadata=METADATA)
    return network, path, result


def test_a_users_binarized_network_agrees_with_torch_on_every_path(classifier):
    _, path, result = classifier
    assert result.path == path
    assert result.file_bytes == path.stat().st_size
    assert set(result.agreement) == set(result.max_abs_error) == PATHS
    assert min(result.agreement.values()) >= 0.995
    assert (result.samples, result.sample_source) == (200, "given")
    assert result.why_portable == library.why_portable()


def test_any_batch_runs_with_the_result_of_torch(classifier):
    network, path, _ = classifier
    session = InferenceSession(path)
    for batch in (1, 5):
        x = samples(batch, 1, 9, 9)
        with torch.no_grad():
            expected = network.eval()(x).numpy()
        np.testing.assert_allclose(session.run({"input": x.numpy()})[0], expected, rtol=1e-4, atol=1e-5)


def test_the_graph_holds_one_node_a_layer_named_after_its_module_and_no_normalisation(classifier):
    model = onnx.load(classifier[1])
    nodes = {node.name: node.op_type for node in model.graph.node}
    assert nodes["stem"] == "Int8Conv2d"
    assert nodes["body.1"] == "XnorConv2d"
    assert nodes["fc"] == "Int8Linear"
    assert "BatchNormalization" not in nodes.values()
    assert sorted(function.name for function in model.functions) == ["Int8Conv2d", "Int8Linear", "XnorConv2d"]
    names = {tensor.name for tensor in model.graph.initializer}
    assert {f"body.1.{role}" for role in ("weight", "threshold", "scale", "bias")} <= names


def test_the_file_is_of_the_oldest_version_that_can_hold_it_and_carries_no_ballast(classifier):
    _, path, _ = classifier
    model = onnx.load(path)
    assert model.ir_version == 8
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 18, "edgenet": OPERATOR_SET}
    assert not model.graph.value_info
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert os.listdir(path.parent) == ["classifier.onnx"]
    assert str(Path(edgenet.__file__).parent).encode() not in path.read_bytes()


def test_the_metadata_says_what_the_file_is(classifier):
    network, path, _ = classifier
    found = InferenceSession(path, native=False).metadata
    assert found["scheme"] == "xnor"
    assert found["ends"] == "int8"
    assert found["classes"] == ["a", "b", "c", "d"]
    assert found["preprocessing"] == {"mean": 0.5}
    assert found["task"] == "image-classification"
    assert found["edgenet_version"] == edgenet.__version__
    assert found["operator_set"] == str(OPERATOR_SET)
    assert found["input_shape"] == [1, 9, 9]
    assert found["binary_layers"] == network.binarization_report.as_list()


def test_inspection_of_the_file_gives_the_reasons_of_binarize(classifier):
    layers = {layer.name: layer for layer in inspect(classifier[1]).layers}
    assert layers["stem"].reason == "first layer"
    assert layers["fc"].reason == "last layer"
    assert layers["body.1"].precision == "1x1"
    assert layers["body.1"].weights == 16 * 8 * 9


def test_equal_networks_give_equal_files(classifier, tmp_path):
    network, path, _ = classifier
    metadata = {"classes": ["a", "b", "c", "d"], "preprocessing": {"mean": 0.5}, "task": "image-classification"}
    edgenet.export(
        network, samples(3, 1, 9, 9), tmp_path / "again.onnx", samples=samples(4, 1, 9, 9), metadata=metadata
    )
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()


def test_the_model_itself_is_left_as_it_was(tmp_path):
    network = binarized(Classifier(), "bwn", 1, 9, 9).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    kinds = [type(module) for module in network.modules()]
    result = edgenet.export(network, samples(2, 1, 9, 9), tmp_path / "network.onnx")
    assert (result.samples, result.sample_source) == (32, "random")
    assert all(module.training for module in network.modules())
    assert [type(module) for module in network.modules()] == kinds
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_every_geometry_of_a_convolution_and_linear_layers_of_three_axes(tmp_path):
    network = trained(Branches(), 3, 8, 7)
    result = edgenet.export(network, samples(2, 3, 8, 7), tmp_path / "branches.onnx", samples=samples(300, 3, 8, 7))
    model = onnx.load(result.path)
    kinds = [node.op_type for node in model.graph.node if node.domain == "edgenet"]
    assert sorted(kinds) == ["BwnConv2d", "XnorConv2d", "XnorConv2dAdd", "XnorLinear", "XnorLinear"]
    assert min(result.agreement.values()) >= 0.995


def test_a_binary_network_becomes_one_node_a_convolution_that_hands_signs_on(tmp_path):
    network = trained(Chain(), 8, 9, 9)
    result = edgenet.export(network, samples(2, 8, 9, 9), tmp_path / "chain.onnx", samples=samples(50, 8, 9, 9))
    nodes = [(node.name, node.op_type) for node in onnx.load(result.path).graph.node]
    assert nodes == [
        ("first", "XnorConv2dAddPreluToSigns"),
        ("second", "XnorConv2dFromSignsPreluToSigns"),
        ("pool/maxpool", "SignMaxPool2d"),
        ("third", "XnorConv2dFromSigns"),
    ]
    assert min(result.agreement.values()) >= 0.995


def test_a_full_precision_network_becomes_standard_operators(tmp_path):
    result = edgenet.export(Classifier(), samples(1, 1, 9, 9), tmp_path / "full.onnx", samples=samples(20, 1, 9, 9))
    model = onnx.load(result.path)
    assert not model.functions
    assert {node.domain for node in model.graph.node} == {""}
    assert {entry.domain for entry in model.opset_import} == {""}
    assert result.agreement == {"plain": 1.0}
    assert result.max_abs_error["plain"] < 1e-5
    assert result.why_portable is None
    assert InferenceSession(result.path).metadata["scheme"] == "full"


def test_an_export_that_disagrees_with_torch_is_an_error_and_leaves_no_file(tmp_path):
    with pytest.raises(EdgenetError, match=r"disagrees with torch on the plain path: \d+\.\d% of 50 samples agree"):
        edgenet.export(Lying(), samples(2, 6), tmp_path / "lie.onnx", samples=samples(50, 6))
    assert os.listdir(tmp_path) == []


def test_a_failed_export_leaves_an_earlier_file_as_it_was(tmp_path):
    path = tmp_path / "network.onnx"
    path.write_bytes(b"earlier")
    with pytest.raises(EdgenetError, match="random samples agree"):
        edgenet.export(Lying(), samples(2, 6), path)
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["network.onnx"]


def test_outputs_that_are_no_class_scores_are_compared_as_numbers(tmp_path):
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Sigmoid())
    result = edgenet.export(network, samples(2, 1, 5, 5), tmp_path / "map.onnx")
    assert result.agreement == {"plain": 1.0}
    assert result.max_abs_error["plain"] < 1e-5


class Bag(nn.Module):
    """Takes indices, not numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.embedding(x).mean(1))


def test_inputs_that_are_indices_need_samples(tmp_path):
    indices = torch.arange(40).reshape(8, 5) % 9
    with pytest.raises(EdgenetError, match=r"type torch\.int64; give samples"):
        edgenet.export(Bag(), indices, tmp_path / "bag.onnx")
    assert edgenet.export(Bag(), indices, tmp_path / "bag.onnx", samples=indices).agreement == {"plain": 1.0}


class TestRefusals:
    """What a user can put right is said in one sentence."""

    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))

    def refuse(self, match, *arguments, network=None, **options):
        with pytest.raises(EdgenetError, match=match):
            edgenet.export(network or self.network, *arguments, **options)

    def test_a_path_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_text("text")
        self.refuse("is a folder; give the path", samples(1, 6), tmp_path)
        self.refuse("is not a folder", samples(1, 6), tmp_path / "file" / "net.onnx")

    def test_an_example_that_is_no_tensor_or_does_not_fit(self, tmp_path):
        self.refuse("needs an example input", [1, 2], tmp_path / "net.onnx")
        self.refuse(r"does not run on the example \[\[2, 5\]\]", samples(1, 5), tmp_path / "net.onnx")

    def test_samples_that_do_not_fit_or_are_none(self, tmp_path):
        self.refuse(r"the samples are \[4, 5\]", samples(1, 6), tmp_path / "net.onnx", samples=samples(4, 5))
        self.refuse("without samples", samples(1, 6), tmp_path / "net.onnx", samples=np.zeros((0, 6)))

    def test_an_opset_of_which_there_is_no_function_body(self, tmp_path):
        self.refuse("opset 17 cannot be written", samples(1, 6), tmp_path / "net.onnx", opset=17)

    def test_metadata_that_is_no_json(self, tmp_path):
        self.refuse("metadata 'classes' is no JSON", samples(1, 6), tmp_path / "n.onnx", metadata={"classes": {1, 2}})

    def test_a_network_that_torch_cannot_export(self, tmp_path):
        class DataDependent(nn.Module):
            def forward(self, x):
                return x if x.sum() > 0 else -x

        self.refuse("torch cannot export DataDependent", samples(1, 6), tmp_path / "n.onnx", network=DataDependent())
        assert os.listdir(tmp_path) == []


def test_metadata_is_written_as_text_or_json(tmp_path):
    metadata = {"model": "mine", "classes": ["a"], "edgenet.data": "digits", "ends": None}
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    result = edgenet.export(network, samples(1, 6), tmp_path / "net.onnx", metadata=metadata)
    model = onnx.load(result.path)
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found["edgenet.model"] == model.graph.name == "mine"
    assert json.loads(found["edgenet.classes"]) == ["a"]
    assert found["edgenet.data"] == "digits"
    assert "edgenet.ends" not in found
