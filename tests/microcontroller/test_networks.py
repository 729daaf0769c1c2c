"""Networks as C give what their .onnx files give, on real data; built with all warnings as errors."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import edgenet
from edgenet.errors import EdgenetError
from edgenet.microcontroller import compile_network
from edgenet.microcontroller.host import HostProgram
from edgenet.microcontroller.samples import random_samples
from edgenet.models import create
from edgenet.nn import BinaryConv2d
from tests.exporter.networks import Chain
from tests.microcontroller.networks import (
    cifar_resnet,
    compared,
    export,
    frame_classifier,
    lenet5,
    sequence_classifier,
    text_network,
    wide_stem,
)


@pytest.mark.parametrize(("scheme", "ends"), [("full", "fp32"), ("bwn", "int8"), ("xnor", "binary"), ("xnor", "fp32")])
def test_lenet5_gives_the_same_numbers_and_classes(scheme, ends, tmp_path):
    found = compared(*lenet5(scheme, tmp_path / "net.onnx", ends))
    assert found.same_class >= 0.995
    # Rounding can move an 8-bit activation by one step of 1/127.
    assert found.max_abs_error < (0.02 if ends == "int8" else 1e-4)


def test_xnor_lenet5_is_equal_to_the_bit(tmp_path):
    found = compared(*lenet5("xnor", tmp_path / "net.onnx"))
    assert found.equal == found.outputs == 2360


@pytest.mark.parametrize(
    ("cell", "scheme", "bidirectional"),
    [("elman", "full", False), ("lstm", "bwn", False), ("gru", "full", True), ("elman", "xnor", True)],
)
def test_recurrent_networks_give_the_same_for_every_length(cell, scheme, bidirectional, tmp_path):
    path, samples = frame_classifier(cell, scheme, tmp_path / "net.onnx", bidirectional)
    found = compared(path, samples, max(feeds["input"].shape[1] for feeds in samples))
    assert found.same_class == 1
    assert found.max_abs_error < (0.02 if scheme != "full" else 1e-5)


@pytest.mark.parametrize(("cell", "bidirectional"), [("lstm", False), ("gru", True)])
def test_xnor_gates_are_equal_to_the_bit(cell, bidirectional, tmp_path):
    path, samples = frame_classifier(cell, "xnor", tmp_path / "net.onnx", bidirectional)
    found = compared(path, samples, 29)
    assert found.equal == found.outputs


@pytest.mark.parametrize("scheme", ["full", "bwn", "xnor"])
def test_convolutions_over_sequences_give_the_same(scheme, tmp_path):
    found = compared(*sequence_classifier(scheme, tmp_path / "net.onnx"))
    assert found.same_class == 1
    assert found.max_abs_error < (0.02 if scheme != "full" else 1e-5)


@pytest.mark.parametrize("options", [{"scheme": "bwn"}, {"scheme": "bwn", "activations": "int8"}, {"scheme": "xnor"}])
def test_convolutions_in_groups_give_the_same(options, tmp_path):
    torch.manual_seed(0)
    channels = nn.Conv2d(3, 24, 1)
    first = BinaryConv2d(24, 48, 3, padding=1, groups=3, **options)
    second = BinaryConv2d(48, 32, 3, stride=2, groups=2, **options)
    last = BinaryConv2d(32, 16, 2, groups=4, **options)
    network = nn.Sequential(channels, first, nn.MaxPool2d(2), nn.BatchNorm2d(48), second, nn.ReLU(), last, nn.Flatten())
    x = torch.randn(48, 3, 12, 14)
    export(network, x, tmp_path / "net.onnx")
    found = compared(tmp_path / "net.onnx", [{"input": image[None]} for image in x.numpy()])
    assert found.same_class >= 0.97
    assert found.max_abs_error < (0.1 if "activations" in options else 1e-4)


def test_signs_in_groups_that_share_bytes_are_refused(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 36, 1), BinaryConv2d(36, 9, 3, groups=3, scheme="xnor"), nn.Flatten())
    export(network, torch.randn(8, 3, 6, 6), tmp_path / "net.onnx")
    with pytest.raises(EdgenetError, match="groups of a multiple of 8 channels"):
        compile_network(tmp_path / "net.onnx")


def test_a_state_that_is_fed_back_goes_on_where_it_ended(tmp_path):
    torch.manual_seed(0)
    network = create("lstm", 4, "bwn", in_channels=6, hidden_size=10)
    x = torch.randn(32, 28, 6)
    export(network, x, tmp_path / "net.onnx")
    program = compile_network(tmp_path / "net.onnx")
    whole = {"input": x[:1].numpy(), "state": np.zeros((4, 1, 10), np.float32)}
    with HostProgram(program) as host:
        logits, state = host.run(whole)
        _, between = host.run({**whole, "input": whole["input"][:, :11]})
        later, end = host.run({"input": whole["input"][:, 11:], "state": between})
    np.testing.assert_array_equal(later, logits)
    np.testing.assert_array_equal(end, state)


@pytest.mark.parametrize(
    ("name", "scheme", "embeddings"),
    [("text_classifier", "full", None), ("language_model", "bwn", "binary"), ("token_labeller", "bwn", "int8")],
)
def test_networks_over_tokens_give_the_same(name, scheme, embeddings, tmp_path):
    found = compared(*text_network(name, scheme, tmp_path / "net.onnx", embeddings), 13)
    assert found.same_class == 1
    assert found.max_abs_error < (0.02 if scheme == "bwn" else 1e-5)


@pytest.mark.parametrize("embeddings", ["fp32", "int8", "binary"])
@pytest.mark.parametrize("name", ["text_classifier", "language_model", "token_labeller"])
def test_xnor_networks_over_tokens_are_equal_to_the_bit(name, embeddings, tmp_path):
    found = compared(*text_network(name, "xnor", tmp_path / "net.onnx", embeddings), 13)
    assert found.equal == found.outputs


@pytest.mark.parametrize("token", [-1, 50])
def test_a_token_of_no_vocabulary_is_refused(token, tmp_path):
    path, _ = text_network("text_classifier", "xnor", tmp_path / "net.onnx", "binary")
    with HostProgram(compile_network(path)) as host:
        host.run({"input": np.array([[49, 0, 1]])})
        with pytest.raises(EdgenetError, match=r"refuses a sample of 3 steps: .* and input may be up to 49"):
            host.run({"input": np.array([[3, 2, token]])})


def test_tokens_that_are_computed_with_are_refused(tmp_path):
    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(9, 4)

        def forward(self, tokens, lengths=None):
            return self.embedding(tokens) + tokens.unsqueeze(-1)

    tokens = torch.arange(8).view(2, 4)
    samples = {"input": tokens, "lengths": torch.full((2,), 4)}
    edgenet.export(Counted().eval(), tokens, tmp_path / "net.onnx", samples=samples)
    with pytest.raises(EdgenetError, match="cannot be written in C: tokens may choose rows of a table only"):
        compile_network(tmp_path / "net.onnx")


def test_shortcuts_slopes_padding_and_pooled_signs_are_equal_to_the_bit(tmp_path):
    torch.manual_seed(0)
    x = torch.randn(16, 8, 12, 12)
    export(Chain(), x, tmp_path / "net.onnx")
    found = compared(tmp_path / "net.onnx", [{"input": image[None]} for image in x.numpy()])
    assert found.equal == found.outputs


def test_a_resnet_for_cifar_is_equal_to_the_bit(tmp_path):
    found = compared(*cifar_resnet(tmp_path / "net.onnx"))
    assert found.same_class == 1
    assert found.max_abs_error < 1e-4


def test_kernels_of_long_rows_give_the_same(tmp_path):
    found = compared(*wide_stem(tmp_path / "net.onnx"))
    assert found.same_class == 1
    assert found.max_abs_error < 0.02


class Shapes(nn.Module):
    """What LeNet has not: padding, strides, odd sizes, groups, overlapping windows, averages."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 7, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(7, 7, 3, padding=1, groups=7)
        self.norm = nn.BatchNorm2d(7)
        self.binary = BinaryConv2d(7, 9, (3, 2), padding=(1, 0), scheme="bwn")
        self.signs = BinaryConv2d(9, 5, 3, padding=1, stride=2, scheme="xnor")
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.norm(self.depthwise(self.stem(x))), 3, 2, 1)
        x = nn.functional.avg_pool2d(nn.functional.relu6(self.binary(x)), 2, 1)
        return self.fc(self.signs(x).mean((2, 3)))


def test_other_geometries_give_the_same(tmp_path):
    torch.manual_seed(0)
    x = torch.randn(64, 2, 23, 25)
    export(Shapes(), x, tmp_path / "net.onnx")
    found = compared(tmp_path / "net.onnx", [{"input": image[None]} for image in x.numpy()])
    assert found.same_class == 1
    # A sign may lie at its threshold but for rounding.
    assert found.equal > 0
    assert found.max_abs_error < 0.2


def test_more_steps_than_there_is_memory_for_are_refused(tmp_path):
    path, _ = frame_classifier("elman", "bwn", tmp_path / "net.onnx")
    program = compile_network(path, steps=5)
    with HostProgram(program) as host:
        host.run(random_samples(program.graph, 5, 1)[0])
        with pytest.raises(EdgenetError, match="the C refuses a sample of 6 steps: there is memory for 5 steps"):
            host.run(random_samples(program.graph, 6, 1)[0])


def test_a_layer_that_cannot_be_written_is_named(tmp_path):
    torch.manual_seed(0)

    class Upside(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(1, 4, 3)
            self.up = nn.ConvTranspose2d(4, 4, 2)

        def forward(self, x):
            return self.up(self.first(x)).flatten(1)

    export(Upside(), torch.randn(8, 1, 6, 6), tmp_path / "net.onnx")
    with pytest.raises(
        EdgenetError, match=r"layer up \(ConvTranspose\) cannot be written in C: there is no C for this"
    ):
        compile_network(tmp_path / "net.onnx")


def test_embedded_preprocessing_is_refused(tmp_path):
    path, _ = lenet5("xnor", tmp_path / "net.onnx")
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"edgenet.preprocessing": '{"embedded": true}'})
    with pytest.raises(EdgenetError, match="preprocessing is embedded, and C takes samples"):
        compile_network(model)


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(EdgenetError, match="does not exist"):
        compile_network(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(EdgenetError, match="cannot be read as ONNX"):
        compile_network(tmp_path / "text.onnx")
