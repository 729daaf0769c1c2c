"""8-bit activations are quantised by the sample and their sums are exact, as export/SPEC.md says, to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.exporter.operators import binary, model, random_case, run
from tests.exporter.test_functions import FEW, convolutions, linears, make_convolution
from tests.reference import pack

LEVELS = ["disable_all", "all"]


def whole_weights(generator, *shape):
    return generator.integers(-127, 128, shape).astype(np.int8)


def spread(generator, x):
    """Samples of very different size, one of them all zeros."""
    size = 10.0 ** generator.integers(-8, 9, (len(x), *(1 for _ in x.shape[1:])))
    size[0] *= generator.random() < 0.8
    return (x * size).astype(np.float32)


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(case=convolutions(), name=st.sampled_from(["BwnConv2dInt8", "Int8Conv2d", "Int8Conv2dRelu"]))
def test_convolutions_are_exact_to_the_bit(level, case, name):
    x, _, signs, scale, bias, attributes, geometry = make_convolution(case, special=False)
    generator = np.random.default_rng(case["seed"])
    x = spread(generator, x)
    weight = signs if name.startswith("Bwn") else whole_weights(generator, *signs.shape)
    stored = pack(signs) if name.startswith("Bwn") else weight
    inputs = {"x": x, "weight": stored, "scale": scale, "bias": bias}
    (found,) = run(model(name, inputs, {"y": 4}, attributes), inputs, level)
    expected = reference.int8_conv2d(x, weight, scale, bias, **geometry)
    np.testing.assert_array_equal(found, np.maximum(expected, 0) if name.endswith("Relu") else expected, strict=True)


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(case=linears())
def test_a_linear_layer_is_exact_to_the_bit_at_ranks_one_to_four(level, case):
    generator, values = random_case(case["seed"], special=False)
    features, outputs = case["shape"][-1], case["outputs"]
    x, weight = values(*case["shape"]), whole_weights(generator, outputs, features)
    scale, bias = generator.normal(size=(2, outputs)).astype(np.float32)
    inputs = {"x": x if x.ndim == 1 else spread(generator, x), "weight": weight, "scale": scale, "bias": bias}
    (found,) = run(model("Int8Linear", inputs, {"y": x.ndim}, {"weight_shape": [outputs, features]}), inputs, level)
    np.testing.assert_array_equal(found, reference.int8_linear(*inputs.values()), strict=True)


def test_the_largest_sums_of_a_linear_layer_are_rounded_once_and_never_saturate():
    """Where products of 8 bits were added in pairs of 16 bits, 127 * 127 * 2 would be near the end of the range."""
    features = 133144
    x = np.full((2, features), 3, np.float32) * [[1], [-1]]
    x[:, ::3] *= np.float32(0.25)
    weight = np.full((2, features), 127, np.int8) * np.int8([[1], [-1]])
    scale, bias = np.ones(2, np.float32), np.zeros(2, np.float32)
    inputs = {"x": x.astype(np.float32), "weight": weight, "scale": scale, "bias": bias}
    (found,) = run(model("Int8Linear", inputs, {"y": 2}, {"weight_shape": [2, features]}), inputs)
    np.testing.assert_array_equal(found, reference.int8_linear(*inputs.values()), strict=True)
    assert np.abs(found).min() > 1e7


def test_the_largest_sums_of_a_convolution_are_exact():
    channels = 1040
    generator = np.random.default_rng(0)
    x = generator.choice(np.float32([-1, 1]), (1, channels, 2, 2))
    x[0, :, 0, 0] = 1
    weight = np.full((3, channels, 1, 1), 127, np.int8)
    weight[1] *= generator.choice(np.int8([-1, 1]), (channels, 1, 1))
    scale, bias = np.float32([0.1, 0.3, 0.7]), np.float32([0, 1, -1])
    geometry = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1}
    inputs = {"x": x, "weight": weight, "scale": scale, "bias": bias}
    made = model("Int8Conv2d", inputs, {"y": 4}, {"weight_shape": list(weight.shape), **geometry})
    expected = reference.int8_conv2d(x, weight, scale, bias, **geometry)
    np.testing.assert_array_equal(run(made, inputs)[0], expected, strict=True)


def test_samples_of_a_batch_do_not_reach_each_other():
    generator = np.random.default_rng(0)
    weight = binary(generator, 4, 3, 3, 3)
    x = generator.normal(size=(2, 3, 5, 5)).astype(np.float32)
    geometry = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}
    inputs = {"x": x, "weight": pack(weight), "scale": np.ones(4, np.float32), "bias": np.zeros(4, np.float32)}
    made = model("BwnConv2dInt8", inputs, {"y": 4}, {"weight_shape": [4, 3, 3, 3], **geometry})
    (quiet,) = run(made, inputs)
    (loud,) = run(made, inputs | {"x": x * np.float32([1, 1000]).reshape(2, 1, 1, 1)})
    np.testing.assert_array_equal(loud[0], quiet[0])
