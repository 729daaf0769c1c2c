"""The operators in ONNX Runtime give what export/SPEC.md says, on every kernel set that this machine runs."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests import reference
from tests.ops import models

AWKWARD = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32)
EXAMPLES = settings(max_examples=30, deadline=None)
FEW = settings(max_examples=8, deadline=None)


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

    def spread(self, *shape: int) -> np.ndarray:
        """Samples of very different magnitudes, one of them all 0."""
        magnitudes = self.random.choice(np.array([0, 1e-35, 1e-3, 1, 1e6], np.float32), shape[0])
        return self.floats(*shape) * magnitudes.reshape(-1, *[1] * (len(shape) - 1))

    def signs(self, *shape: int) -> np.ndarray:
        return self.random.choice(np.array([-1, 1], np.float32), shape)

    def whole(self, *shape: int) -> np.ndarray:
        """8-bit weights, the largest among them."""
        weights = self.random.integers(-127, 128, shape)
        return np.where(self.random.random(shape) < 0.1, np.sign(weights) * 127, weights)

    def packed_signs(self, batch: int, channels: int, height: int, width: int) -> np.ndarray:
        """Their spare bits are random too."""
        return self.random.integers(0, 256, (batch, -(-channels // 8), height, width), np.uint8)


values = st.builds(Values, st.integers(0, 2**32 - 1), st.booleans())
small = st.integers(1, 3)
few = st.integers(1, 10)
few_or_many = few | st.sampled_from([24, 32, 33, 64, 70])


@st.composite
def geometries(draw, outputs=few):
    """An image's size, the channels of a group, the shape of the weights and a convolution's attributes."""
    group = draw(st.sampled_from([1, 1, 2, 3]))
    channels = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 13, 32, 64, 65]))
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
    return (draw(small), group * channels, *size), (group * draw(outputs), channels, *kernel), attributes


def xnor_operands(v: Values, operator: str, x_shape, weight_shape, attributes) -> dict[str, np.ndarray]:
    """What a form of XnorConv2d takes."""
    outputs, channels = weight_shape[0], x_shape[1]
    if "FromSigns" in operator:
        operands = {"signs": v.packed_signs(*x_shape)}
    else:
        operands = {"x": v.inputs(*x_shape), "threshold": v.inputs(channels)}
    operands |= {"weight": v.signs(*weight_shape), "scale": v.floats(outputs), "bias": v.floats(outputs)}
    if "Add" in operator:
        plain = {name: operands[name] for name in operands if name != "residual"}
        operands["residual"] = v.inputs(*reference.xnor_conv2d_form(**plain, **attributes).shape)
    if "Prelu" in operator:
        operands["slope"] = v.inputs(outputs)
    if "ToSigns" in operator:
        operands["next_threshold"] = v.inputs(outputs)
    return operands


def assert_within_tolerance(found: np.ndarray, expected: np.ndarray, magnitude: np.ndarray) -> None:
    """BWN: within 1e-5 * |scale| * sum |w x|, and one last rounding."""
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    error = np.abs(found[finite].astype(np.float64) - expected[finite])
    allowed = 1e-5 * np.abs(magnitude[finite]) + 1e-6 * (1 + np.abs(expected[finite]))
    assert (error <= allowed).all(), f"off by {error.max()}"


@pytest.mark.parametrize("operator", models.XNOR_CONVOLUTIONS)
@FEW
@given(v=values, geometry=geometries(), threads=st.integers(1, 2))
def test_every_form_of_the_binary_convolution_is_exact(isa, operator, v, geometry, threads):
    operands, attributes = xnor_operands(v, operator, *geometry), geometry[-1]
    (y,) = models.call(operator, operands, **attributes).run(threads=threads)
    np.testing.assert_array_equal(y, reference.xnor_conv2d_form(**operands, **attributes), strict=True)


@EXAMPLES
@given(v=values, geometry=geometries())
def test_a_binary_weight_convolution_is_within_tolerance(isa, v, geometry):
    x_shape, weight_shape, attributes = geometry
    x, weight, scale, bias = v.inputs(*x_shape), v.signs(*weight_shape), *v.floats(2, weight_shape[0])
    operands = {"x": x, "weight": weight, "scale": scale, "bias": bias}
    (y,) = models.call("BwnConv2d", operands, **attributes).run()
    magnitude = reference.bwn_conv2d(np.abs(x), np.abs(weight), np.abs(scale), np.zeros_like(bias), **attributes)
    assert_within_tolerance(y, reference.bwn_conv2d(**operands, **attributes), magnitude)


@pytest.mark.parametrize("operator", ["BwnConv2dInt8", "Int8Conv2d", "Int8Conv2dRelu"])
@EXAMPLES
@given(v=values, geometry=geometries(few_or_many), threads=st.integers(1, 2))
def test_convolutions_of_8_bit_activations_are_exact(isa, operator, v, geometry, threads):
    x_shape, weight_shape, attributes = geometry
    scale, bias = v.floats(2, weight_shape[0])
    weight = v.signs(*weight_shape) if operator.startswith("Bwn") else v.whole(*weight_shape)
    operands = {"x": v.spread(*x_shape), "weight": weight, "scale": scale, "bias": bias}
    (y,) = models.call(operator, operands, **attributes).run(threads=threads)
    plain = reference.int8_conv2d_relu if operator.endswith("Relu") else reference.int8_conv2d
    np.testing.assert_array_equal(y, plain(**operands, **attributes), strict=True)


@EXAMPLES
@given(
    v=values, geometry=geometries(few_or_many), kernel=st.tuples(small, small), stride=small, threads=st.integers(1, 2)
)
def test_pooled_convolutions_of_8_bit_activations_are_exact(isa, v, geometry, kernel, stride, threads):
    x_shape, weight_shape, attributes = geometry
    scale, bias = v.floats(2, weight_shape[0])
    operands = {"x": v.spread(*x_shape), "weight": v.whole(*weight_shape), "scale": scale, "bias": bias}
    plain = reference.int8_conv2d_relu(**operands, **attributes)
    # Windows as large as they may be, and padding up to one less than that.
    kernel = [min(size, side) for size, side in zip(kernel, plain.shape[2:], strict=True)]
    pads = [size - 1 for size in kernel] * 2
    attributes |= {"pool_kernel_shape": kernel, "pool_strides": [stride, stride], "pool_pads": pads}
    (y,) = models.call("Int8Conv2dReluMaxPool", operands, **attributes).run(threads=threads)
    np.testing.assert_array_equal(y, reference.int8_conv2d_relu_max_pool(**operands, **attributes), strict=True)


@st.composite
def poolings(draw):
    if draw(st.booleans()):
        kernel, strides, pads = (2, 2), (2, 2), (0, 0, 0, 0)
    else:
        kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        strides = draw(st.sampled_from([(1, 1), (2, 2), (1, 3), (3, 2), (4, 4)]))
        pads = tuple(draw(st.integers(0, kernel[i % 2] - 1)) for i in range(4))
    size = [draw(st.integers(max(1, kernel[i] - pads[i] - pads[i + 2]), 70)) for i in range(2)]
    shape = (draw(small), draw(st.sampled_from([1, 8, 13, 24])), *size)
    return shape, {"kernel_shape": kernel, "strides": strides, "pads": pads}


@settings(max_examples=200, deadline=None)
@given(v=values, pooling=poolings(), threads=st.integers(1, 2))
def test_pooled_signs_are_the_signs_of_the_maxima(v, pooling, threads):
    shape, attributes = pooling
    signs = v.packed_signs(*shape)
    (y,) = models.call("SignMaxPool2d", {"signs": signs}, **attributes).run(threads=threads)
    np.testing.assert_array_equal(y, reference.sign_max_pool2d(signs, **attributes), strict=True)


@EXAMPLES
@given(v=values, lead=st.lists(small, max_size=3), inputs=st.integers(1, 300), outputs=st.integers(1, 40))
def test_an_xnor_linear_layer_is_exact_for_any_rank(isa, v, lead, inputs, outputs):
    scale, bias = v.floats(2, outputs)
    operands = {"x": v.inputs(*lead, inputs), "threshold": v.inputs(inputs), "weight": v.signs(outputs, inputs)}
    operands |= {"scale": scale, "bias": bias}
    (y,) = models.call("XnorLinear", operands).run()
    np.testing.assert_array_equal(y, reference.xnor_linear(**operands), strict=True)


@EXAMPLES
@given(v=values, lead=st.lists(small, max_size=3), inputs=st.integers(1, 300), outputs=st.integers(1, 40))
def test_a_binary_weight_linear_layer_is_within_tolerance_for_any_rank(isa, v, lead, inputs, outputs):
    x, weight, scale, bias = v.inputs(*lead, inputs), v.signs(outputs, inputs), *v.floats(2, outputs)
    operands = {"x": x, "weight": weight, "scale": scale, "bias": bias}
    (y,) = models.call("BwnLinear", operands).run()
    magnitude = reference.bwn_linear(np.abs(x), np.abs(weight), np.abs(scale), np.zeros_like(bias))
    assert_within_tolerance(y, reference.bwn_linear(**operands), magnitude)


@EXAMPLES
@given(v=values, lead=st.lists(small, max_size=3), inputs=st.integers(1, 1500), outputs=st.integers(1, 40))
def test_an_8_bit_linear_layer_is_exact_for_any_rank(isa, v, lead, inputs, outputs):
    scale, bias = v.floats(2, outputs)
    operands = {"x": v.spread(*lead, inputs), "weight": v.whole(outputs, inputs), "scale": scale, "bias": bias}
    (y,) = models.call("Int8Linear", operands).run()
    np.testing.assert_array_equal(y, reference.int8_linear(**operands), strict=True)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("operator", "inputs"), [("Int8Linear", 133144), ("Int8Conv2d", 1040), ("BwnConv2dInt8", 132104)]
)
def test_the_largest_sums_of_8_bit_activations_do_not_overflow(isa, operator, inputs, sign):
    most = 1 if operator.startswith("Bwn") else 127
    ones, shape = np.ones(2, np.float32), (1, 1) if "Conv" in operator else ()
    operands = {"x": np.ones((1, inputs, *shape), np.float32), "weight": np.full((2, inputs, *shape), sign * most)}
    conv = {"pads": (0, 0, 0, 0), "strides": (1, 1), "dilations": (1, 1), "group": 1} if shape else {}
    (y,) = models.call(operator, operands | {"scale": ones, "bias": 0 * ones}, **conv).run()
    expected = np.float32(1) / np.float32(127) * np.float32(sign * 127 * most * inputs)
    np.testing.assert_array_equal(y.ravel(), [expected, expected])


GATES = {"Recurrence": 1, "Gru": 3, "Lstm": 4}


def recurrent_operands(v: Values, operator: str, steps: int, batch: int, size: int) -> dict[str, np.ndarray]:
    gates = next(gates for cell, gates in GATES.items() if operator.endswith(cell))
    operands = {"u": v.inputs(steps, batch, gates * size), "weight": v.signs(gates * size, size)}
    operands |= {"scale": v.floats(gates * size) / np.float32(np.sqrt(size)), "initial": v.inputs(batch, size)}
    if operator.startswith("Xnor"):
        operands["threshold"] = v.inputs(size) / np.float32(4)
    if operator.endswith("Gru"):
        operands["bias"] = v.inputs(size)
    if operator.endswith("Lstm"):
        operands["initial_cell"] = v.inputs(batch, size)
    return operands


@pytest.mark.parametrize("cell", GATES)
@EXAMPLES
@given(v=values, steps=st.integers(1, 4), batch=small, size=st.integers(1, 130))
def test_an_xnor_recurrence_is_exact(isa, cell, v, steps, batch, size):
    operands = recurrent_operands(v, f"Xnor{cell}", steps, batch, size)
    found = models.call(f"Xnor{cell}", operands).run()
    plain = getattr(reference, f"xnor_{cell.lower()}")
    for one, expected in zip(found, plain(**operands), strict=True):
        np.testing.assert_array_equal(one, expected, strict=True)


@pytest.mark.parametrize("cell", GATES)
@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1), steps=small, batch=small, size=st.integers(1, 130))
def test_every_step_of_a_binary_weight_recurrence_is_within_tolerance(isa, cell, seed, steps, batch, size):
    operands = recurrent_operands(Values(seed), f"Bwn{cell}", steps, batch, size)
    whole, *finals = models.call(f"Bwn{cell}", operands).run()
    states = {name: operands[name] for name in ("initial", "initial_cell") if name in operands}
    for step in range(steps):
        one = operands | states | {"u": operands["u"][step : step + 1]}
        h, *states_found = models.call(f"Bwn{cell}", one).run()
        magnitude = step_magnitude(cell, one)
        plain = getattr(reference, f"bwn_{cell.lower()}")
        for found, expected in zip((h[0], *states_found), (plain(**one)[0][0], *plain(**one)[1:]), strict=True):
            assert_within_tolerance(found, expected, magnitude)
        np.testing.assert_array_equal(whole[step], h[0])
        states = dict(zip(states, states_found, strict=True))
    for final, found in zip(finals, states.values(), strict=True):
        np.testing.assert_array_equal(final, found)


def step_magnitude(cell: str, operands: dict[str, np.ndarray]) -> np.ndarray:
    """|scale| * sum |w x| [N, H], added up over gates; what a gate is multiplied by multiplies its error."""
    if cell == "Recurrence":
        return np.abs(operands["scale"]) * np.abs(np.tanh(operands["initial"])).sum(axis=-1, keepdims=True)
    gates = np.abs(operands["scale"]) * np.abs(operands["initial"]).sum(axis=-1, keepdims=True)
    parts = np.split(gates, GATES[cell], axis=-1)
    factor = parts[2] + np.abs(operands["bias"]) if cell == "Gru" else np.abs(operands["initial_cell"])
    return sum(parts) * (2 + factor + np.abs(operands["initial"]))


def example_calls(v: Values, times: int = 1) -> dict[str, models.Call]:
    """One call of every operator; with `times` of so many times as many channels."""
    conv = {"pads": (1, 0, 1, 2), "strides": (2, 1), "dilations": (1, 1), "group": 2}
    outputs = 4 * times
    shapes = (2, 6 * times, 5, 7), (outputs, 3 * times, 3, 3)
    calls = [models.call(name, xnor_operands(v, name, *shapes, conv), **conv) for name in models.XNOR_CONVOLUTIONS]
    floats = {"x": v.floats(*shapes[0]), "scale": v.floats(outputs), "bias": v.floats(outputs)}
    for name in ("BwnConv2d", "BwnConv2dInt8", "Int8Conv2d", "Int8Conv2dRelu"):
        weight = v.whole(*shapes[1]) if name.startswith("Int8") else v.signs(*shapes[1])
        calls.append(models.call(name, floats | {"weight": weight}, **conv))
    pooling = {"kernel_shape": (3, 2), "strides": (2, 2), "pads": (1, 0, 1, 1)}
    calls.append(models.call("SignMaxPool2d", {"signs": v.packed_signs(2, 13 * times, 6, 7)}, **pooling))
    pool = {"pool_kernel_shape": (2, 2), "pool_strides": (2, 1), "pool_pads": (1, 0, 0, 1)}
    weight = {"weight": v.whole(*shapes[1])}
    calls.append(models.call("Int8Conv2dReluMaxPool", floats | weight, **conv, **pool))
    inputs = 20 * times
    rows = {"x": v.floats(3, inputs), "scale": v.floats(5), "bias": v.floats(5)}
    calls.append(models.call("XnorLinear", rows | {"threshold": v.floats(inputs), "weight": v.signs(5, inputs)}))
    calls.append(models.call("BwnLinear", rows | {"weight": v.signs(5, inputs)}))
    calls.append(models.call("Int8Linear", rows | {"weight": v.whole(5, inputs)}))
    for name in (scheme + cell for scheme in ("Xnor", "Bwn") for cell in GATES):
        calls.append(models.call(name, recurrent_operands(v, name, 4, 2, 11 * times)))
    return {call.operator: call for call in calls}


CALLS = example_calls(Values(5))


@pytest.mark.parametrize("operator", CALLS)
def test_weights_that_are_not_constant_give_the_same(isa, operator):
    call = CALLS[operator]
    for fed, constant in zip(call.run(constants=False), call.run(), strict=True):
        np.testing.assert_array_equal(fed, constant)


@pytest.mark.parametrize("operator", CALLS)
def test_shapes_that_are_known_only_at_run_time_give_the_same(isa, operator):
    call = CALLS[operator]
    for late, early in zip(call.run(typed=False), call.run(), strict=True):
        np.testing.assert_array_equal(late, early)


@pytest.mark.parametrize("fill", [np.inf, -np.inf])
def test_an_infinite_threshold_makes_a_constant(isa, fill):
    v = Values(1)
    weight, ones = v.signs(8, 8, 3, 3), np.ones(8, np.float32)
    operands = {"x": v.floats(1, 8, 4, 4), "threshold": ones * np.float32(fill), "weight": weight}
    operands |= {"scale": ones, "bias": 0 * ones}
    conv = {"pads": (0, 0, 0, 0), "strides": (1, 1), "dilations": (1, 1), "group": 1}
    (y,) = models.call("XnorConv2d", operands, **conv).run()
    expected = weight.sum(axis=(1, 2, 3)) * (-1 if fill > 0 else 1)
    np.testing.assert_array_equal(y, np.broadcast_to(expected[None, :, None, None], y.shape))
