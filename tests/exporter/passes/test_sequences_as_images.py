"""Sequences stay images of one row between convolutions."""

import numpy as np
import onnx
import pytest
import torch

import edgenet
from edgenet.exporter.passes import keep_sequences_images, remove_dead_code
from tests.exporter.graphs import graph, node, operators, outputs, rewrite
from tests.exporter.networks import SequenceClassifier
from tests.exporter.passes.convolutions import CHANNELS, convolution, operands

STEPS = 9
SHAPE = (2, CHANNELS, STEPS)
ROW = {"row": np.array([2])}


def of_sequence(source, target, prefix, tensors):
    """The nodes of a convolution that takes a sequence for an image of one row."""
    return [
        node("Unsqueeze", [source, "row"], [f"{prefix}.image"], f"{prefix}/unsqueeze"),
        convolution(f"{prefix}.image", f"{prefix}.sums", prefix, tensors),
        node("Squeeze", [f"{prefix}.sums", "row"], [target], f"{prefix}/squeeze"),
    ]


def lifted(nodes, tensors, rank=3):
    """The operators of a network after the pass, whose outputs are those from before it."""
    before = graph(nodes, tensors | ROW, SHAPE, rank)
    after, _ = rewrite(before, keep_sequences_images, remove_dead_code)
    x = np.random.default_rng(7).normal(size=SHAPE).astype(np.float32)
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)
    return operators(after)


@pytest.mark.parametrize(
    ("between", "tensors"),
    [
        (node("Relu", ["c"], ["d"]), {}),
        (node("Add", ["c", "c"], ["d"]), {}),
        (node("PRelu", ["c", "slope"], ["d"]), {"slope": np.full((CHANNELS, 1), 0.25, np.float32)}),
        (node("Mul", ["c", "by_step"], ["d"]), {"by_step": np.linspace(-1, 1, STEPS, dtype=np.float32)}),
        (node("Sub", ["by_channel", "c"], ["d"]), {"by_channel": np.ones((1, CHANNELS, 1), np.float32)}),
        (node("MaxPool", ["c"], ["d"], kernel_shape=[3], strides=[1], pads=[1, 1]), {}),
        (node("AveragePool", ["c"], ["d"], kernel_shape=[2], pads=[0, 1], count_include_pad=1), {}),
    ],
)
def test_between_two_convolutions_nothing_is_squeezed(between, tensors):
    generator = np.random.default_rng(0)
    first, second = operands(generator, "first"), operands(generator, "second")
    nodes = [*of_sequence("x", "c", "first", first), between, *of_sequence("d", "y", "second", second)]
    found = lifted(nodes, tensors | first | second)
    assert found == ["Unsqueeze", "XnorConv2d", between.op_type, "XnorConv2d", "Squeeze"]


@pytest.mark.parametrize(("keepdims", "end"), [(0, []), (1, ["Squeeze"])])
def test_a_reduction_over_all_steps_goes_over_all_pixels(keepdims, end):
    first = operands(np.random.default_rng(1), "first")
    reduction = node("ReduceMax", ["c", "steps"], ["y"], keepdims=keepdims)
    nodes = [*of_sequence("x", "c", "first", first), reduction]
    found = lifted(nodes, first | {"steps": np.array([-1])}, 2 + keepdims)
    assert found == ["Unsqueeze", "XnorConv2d", "ReduceMax", *end]


def test_a_float_convolution_of_a_sequence_becomes_one_of_an_image():
    weight = np.random.default_rng(2).normal(size=(4, CHANNELS, 3)).astype(np.float32)
    nodes = [
        node("Conv", ["x", "weight"], ["c"], "first", kernel_shape=[3], strides=[2], dilations=[2], pads=[1, 2]),
        node("Relu", ["c"], ["d"]),
        node("Conv", ["d", "other"], ["y"], "second", kernel_shape=[1]),
    ]
    assert lifted(nodes, {"weight": weight, "other": weight[:, :4, :1]}) == [
        "Unsqueeze", "Conv", "Relu", "Conv", "Squeeze",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("between", "tensors"),
    [
        (node("Add", ["c", "x"], ["y"]), {}),  # x is no image
        (node("ReduceMean", ["c", "channels"], ["y"]), {"channels": np.array([1])}),
        (node("Transpose", ["c"], ["y"], perm=[0, 2, 1]), {}),
    ],
)
def test_what_needs_a_sequence_still_gets_one(between, tensors):
    first = operands(np.random.default_rng(3), "first")
    found = lifted([*of_sequence("x", "c", "first", first), between], tensors | first)
    assert found == ["Unsqueeze", "XnorConv2d", "Squeeze", between.op_type]


@pytest.mark.parametrize(
    ("scheme", "first_and_last"),
    [("full", ("Conv", "Gemm")), ("bwn", ("BwnConv2d", "BwnLinear")), ("xnor", ("BwnConv2d", "BwnLinear"))],
)
def test_a_network_over_sequences_is_exported_as_one_over_images(scheme, first_and_last, tmp_path):
    torch.manual_seed(0)
    network, x = SequenceClassifier(), torch.randn(64, 6, 64)
    if scheme != "full":
        edgenet.binarize(network, scheme, ends="binary", calibration=x)
    found = edgenet.export(network.eval(), x[:1], tmp_path / "net.onnx", samples=x)
    assert set(found.agreement.values()) == {1.0}
    body = {
        "full": ["Conv", "Add", "PRelu", "Conv", "Add", "PRelu", "Conv"],
        "bwn": ["BwnConv2d", "Add", "PRelu", "BwnConv2d", "Add", "PRelu", "BwnConv2d"],
        "xnor": ["XnorConv2dAddPrelu", "XnorConv2dAddPreluToSigns", "XnorConv2dFromSigns"],
    }[scheme]
    first, last = first_and_last
    assert operators(onnx.load(tmp_path / "net.onnx")) == [
        "Unsqueeze", first, "Relu", "MaxPool", *body, "Relu", "Conv", "ReduceMean", last,
    ]  # fmt: skip
