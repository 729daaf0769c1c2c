"""XNOR convolutions are exact where it is hardest, whether their weights go in pairs or cannot."""

import numpy as np
import pytest

from edgenet.exporter.functions.pairs import MOST_INPUTS
from tests import reference
from tests.exporter.operators import LEVELS, binary, model, random_case, run
from tests.reference import pack

GEOMETRY = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1]}


def convolve(x, weight, bias, group=1, level="all"):
    """The result with scales of 1."""
    channels, outputs = x.shape[1], len(weight)
    vectors = {"scale": np.ones(outputs, np.float32), "bias": bias}
    inputs = {"x": x, "threshold": np.zeros(channels, np.float32), "weight": pack(weight), **vectors}
    attributes = {"weight_shape": list(weight.shape), **GEOMETRY, "group": group}
    return run(model("XnorConv2d", inputs, {"y": 4}, attributes), inputs, level)[0]


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
