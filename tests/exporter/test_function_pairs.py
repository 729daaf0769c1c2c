"""XNOR convolutions are exact where it is hardest, whether their weights go in pairs or cannot."""

import numpy as np
import pytest

from edgenet.exporter.functions.convolution import xnor_conv2d
from edgenet.exporter.functions.forms import ConvolutionForm
from edgenet.exporter.functions.large import FEWEST_PAIRED_WEIGHTS
from edgenet.exporter.functions.pairs import MOST_INPUTS
from tests import reference
from tests.exporter.operators import LEVELS, binary, model, random_case, run
from tests.reference import pack

PAIRED = xnor_conv2d(ConvolutionForm.of("XnorConv2d"), in_pairs=True)
GEOMETRY = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1]}


def convolve(x, weight, bias, group=1, level="all"):
    """The result with scales of 1."""
    channels, outputs = x.shape[1], len(weight)
    vectors = {"scale": np.ones(outputs, np.float32), "bias": bias}
    inputs = {"x": x, "threshold": np.zeros(channels, np.float32), "weight": pack(weight), **vectors}
    attributes = {"weight_shape": list(weight.shape), **GEOMETRY, "group": group}
    made = model("XnorConv2d", inputs, {"y": 4}, attributes)
    made.functions[0].CopyFrom(PAIRED)
    return run(made, inputs, level)[0]


@pytest.mark.parametrize("channels", [1, 1024, MOST_INPUTS - 1, MOST_INPUTS, MOST_INPUTS + 1, 6000])
def test_the_largest_and_smallest_dots_are_told_apart(channels):
    generator, _ = random_case(channels)
    x = binary(generator, channels)
    half, nearly = (np.where(chosen, -x, x) for chosen in (np.arange(channels) % 2, np.arange(channels) == 0))
    kinds = np.stack([x, -x, half, nearly])
    first, second = np.repeat(kinds, 4, axis=0), np.tile(kinds, (4, 1))
    weight = np.concatenate([first, second])
    found = convolve(x.astype(np.float32).reshape(1, -1, 1, 1), weight.reshape(32, -1, 1, 1), np.zeros(32, np.float32))
    np.testing.assert_array_equal(found.ravel(), weight @ x)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("outputs", "group"), [(8, 1), (7, 1), (8, 2)])
def test_a_dot_of_zero_has_no_sign(level, outputs, group):
    generator, _ = random_case(outputs)
    x = generator.normal(size=(2, 8, 9, 9)).astype(np.float32)
    weight = binary(generator, outputs, 8 // group, 1, 1)
    bias = np.full(outputs, -0.0, np.float32)
    found = convolve(x, weight, bias, group, level)
    ones, zeros = np.ones(outputs, np.float32), np.zeros(8, np.float32)
    expected = reference.xnor_conv2d(x, zeros, weight, ones, bias, **GEOMETRY, group=group)
    np.testing.assert_array_equal(found, expected)
    assert (found == 0).sum() > 50
    assert not np.signbit(found[found == 0]).any()


@pytest.mark.parametrize(("weights", "in_pairs"), [(FEWEST_PAIRED_WEIGHTS, True), (FEWEST_PAIRED_WEIGHTS - 256, False)])
def test_weights_go_in_pairs_where_they_are_many(weights, in_pairs):
    outputs = weights // 256
    zeros = np.zeros(outputs, np.float32)
    weight = np.ones((outputs, 256, 1, 1))
    inputs = {"x": np.zeros((1, 256, 1, 1), np.float32), "threshold": np.zeros(256, np.float32), "weight": pack(weight)}
    attributes = {"weight_shape": [outputs, 256, 1, 1], **GEOMETRY, "group": 1}
    made = model("XnorConv2d", {**inputs, "scale": zeros, "bias": zeros}, {"y": 4}, attributes)
    assert (made.functions[0] == PAIRED) == in_pairs
