"""The operators in ONNX Runtime give what export/SPEC.md says, on every kernel set that this machine runs."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests import reference
from tests.ops import models

AWKWARD = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32)
EXAMPLES = settings(max_examples=40, deadline=None)


class Values:
    """Reproducible arrays; `awkward` ones hold zeros of both signs, infinities and NaN."""

    def __init__(self, seed: int, awkward: bool = False) -> None:
        self.random = np.random.default_rng(seed)
        self.awkward = awkward

    def floats(self, *shape: int) -> np.ndarray:
        return self.random.standard_normal(shape, np.float32)

    def inputs(self, *shape: int) -> np.ndarray:
        values = self.floats(*shape)
        if self.awkward:
            places = self.random.random(shape) < 0.1
            values[places] = self.random.choice(AWKWARD, places.sum())
        return values

    def signs(self, *shape: int) -> np.ndarray:
        return self.random.choice(np.array([-1, 1], np.float32), shape)


values = st.builds(Values, st.integers(0, 2**32 - 1), st.booleans())
small = st.integers(1, 3)


@st.composite
def convolutions(draw):
    """The arguments of a convolution of any kind: (x, signs, threshold, scale, bias), attributes."""
    v = Values(draw(st.integers(0, 2**32 - 1)), draw(st.booleans()))
    group = draw(st.sampled_from([1, 1, 2, 3]))
    channels = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 13, 32, 64, 65]))
    outputs = group * draw(st.integers(1, 10))
    kernel = draw(st.tuples(small, small))
    size = draw(st.tuples(st.integers(1, 12), st.integers(1, 20)))
    attributes = {
        "strides": draw(st.tuples(small, small)),
        "pads": draw(st.tuples(*[st.integers(0, 2)] * 4)),
        "dilations": draw(st.tuples(small, small)),
        "group": group,
    }
    for axis in range(2):
        padded = size[axis] + attributes["pads"][axis] + attributes["pads"][axis + 2]
        assume(padded > attributes["dilations"][axis] * (kernel[axis] - 1))
    x = v.inputs(draw(small), group * channels, *size)
    signs = v.signs(outputs, channels, *kernel)
    return (x, signs, v.inputs(group * channels), v.floats(outputs), v.floats(outputs)), attributes


def assert_within_tolerance(found: np.ndarray, expected: np.ndarray, magnitude: np.ndarray) -> None:
    """BWN: within 1e-5 * |scale| * sum |w x|, and one last rounding."""
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    error = np.abs(found[finite].astype(np.float64) - expected[finite])
    allowed = 1e-5 * np.abs(magnitude[finite]) + 1e-6 * (1 + np.abs(expected[finite]))
    assert (error <= allowed).all(), f"off by {error.max()}"


@EXAMPLES
@given(case=convolutions(), threads=st.integers(1, 2))
def test_an_xnor_convolution_is_exact(isa, case, threads):
    (x, signs, threshold, scale, bias), attributes = case
    (y,) = models.conv("Xnor", x, signs, threshold, scale, bias, **attributes).run(threads=threads)
    np.testing.assert_array_equal(y, reference.xnor_conv2d(x, threshold, signs, scale, bias, **attributes))


@EXAMPLES
@given(case=convolutions())
def test_a_binary_weight_convolution_is_within_tolerance(isa, case):
    (x, signs, threshold, scale, bias), attributes = case
    (y,) = models.conv("Bwn", x, signs, threshold, scale, bias, **attributes).run()
    magnitude = reference.bwn_conv2d(np.abs(x), np.abs(signs), np.abs(scale), np.zeros_like(bias), **attributes)
    assert_within_tolerance(y, reference.bwn_conv2d(x, signs, scale, bias, **attributes), magnitude)


@EXAMPLES
@given(v=values, lead=st.lists(small, max_size=3), inputs=st.integers(1, 300), outputs=st.integers(1, 40))
def test_an_xnor_linear_layer_is_exact_for_any_rank(isa, v, lead, inputs, outputs):
    x, threshold, signs = v.inputs(*lead, inputs), v.inputs(inputs), v.signs(outputs, inputs)
    scale, bias = v.floats(outputs), v.floats(outputs)
    (y,) = models.linear("Xnor", x, signs, threshold, scale, bias).run()
    np.testing.assert_array_equal(y, reference.xnor_linear(x, threshold, signs, scale, bias))


@EXAMPLES
@given(v=values, lead=st.lists(small, max_size=3), inputs=st.integers(1, 300), outputs=st.integers(1, 40))
def test_a_binary_weight_linear_layer_is_within_tolerance_for_any_rank(isa, v, lead, inputs, outputs):
    x, signs, scale, bias = v.inputs(*lead, inputs), v.signs(outputs, inputs), v.floats(outputs), v.floats(outputs)
    (y,) = models.linear("Bwn", x, signs, bias, scale, bias).run()
    magnitude = reference.bwn_linear(np.abs(x), np.abs(signs), np.abs(scale), np.zeros_like(bias))
    assert_within_tolerance(y, reference.bwn_linear(x, signs, scale, bias), magnitude)


@EXAMPLES
@given(v=values, steps=small, batch=small, size=st.integers(1, 130))
def test_an_xnor_recurrence_is_exact(isa, v, steps, batch, size):
    u, threshold, signs = v.inputs(steps, batch, size), v.inputs(size), v.signs(size, size)
    scale, initial = v.floats(size), v.inputs(batch, size)
    p, final = models.recurrence("Xnor", u, signs, threshold, scale, initial).run()
    expected, _ = reference.xnor_recurrence(u, threshold, signs, scale, initial)
    np.testing.assert_array_equal(p, expected)
    np.testing.assert_array_equal(final, expected[-1])


@EXAMPLES
@given(v=values, steps=small, batch=small, size=st.integers(1, 130))
def test_every_step_of_a_binary_weight_recurrence_is_within_tolerance(isa, v, steps, batch, size):
    u, signs, scale, initial = v.floats(steps, batch, size), v.signs(size, size), v.floats(size), v.floats(batch, size)
    p, final = models.recurrence("Bwn", u, signs, initial, scale, initial).run()
    for step in range(steps):
        before = initial if step == 0 else p[step - 1]
        expected, _ = reference.bwn_recurrence(u[step : step + 1], signs, scale, before)
        magnitude = np.abs(scale) * np.abs(np.tanh(before)).sum(axis=-1, keepdims=True)
        assert_within_tolerance(p[step], expected[0], magnitude)
    np.testing.assert_array_equal(final, p[-1])


def example_calls() -> dict[str, models.Call]:
    v = Values(5)
    arguments = v.floats(2, 6, 5, 7), v.signs(4, 3, 3, 3), v.floats(6), v.floats(4), v.floats(4)
    conv = {"pads": (1, 0, 1, 2), "strides": (2, 1), "group": 2}
    rows = v.floats(3, 20), v.signs(5, 20), v.floats(20), v.floats(5), v.floats(5)
    steps = v.floats(4, 2, 11), v.signs(11, 11), v.floats(11), v.floats(11), v.floats(2, 11)
    calls = {}
    for scheme in ("Xnor", "Bwn"):
        for call in (
            models.conv(scheme, *arguments, **conv),
            models.linear(scheme, *rows),
            models.recurrence(scheme, *steps),
        ):
            calls[call.operator] = call
    return calls


@pytest.mark.parametrize("operator", example_calls())
def test_weights_that_are_not_constant_give_the_same(isa, operator):
    call = example_calls()[operator]
    for fed, constant in zip(call.run(constants=False), call.run(), strict=True):
        np.testing.assert_array_equal(fed, constant)


@pytest.mark.parametrize("operator", example_calls())
def test_shapes_that_are_known_only_at_run_time_give_the_same(isa, operator):
    call = example_calls()[operator]
    for late, early in zip(call.run(typed=False), call.run(), strict=True):
        np.testing.assert_array_equal(late, early)


@pytest.mark.parametrize("fill", [np.inf, -np.inf])
def test_an_infinite_threshold_makes_a_constant(isa, fill):
    v = Values(1)
    x, signs, threshold = v.floats(1, 8, 4, 4), v.signs(8, 8, 3, 3), np.full(8, fill, np.float32)
    scale, bias = np.ones(8, np.float32), np.zeros(8, np.float32)
    (y,) = models.conv("Xnor", x, signs, threshold, scale, bias).run()
    expected = signs.sum(axis=(1, 2, 3)) * (-1 if fill > 0 else 1)
    np.testing.assert_array_equal(y, np.broadcast_to(expected[None, :, None, None], y.shape))
