"""The forms of XnorConv2d and the pooling of signs do what export/SPEC.md says, to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenet.exporter.functions import XNOR_CONVOLUTIONS, ConvolutionForm
from edgenet.exporter.functions.convolution import xnor_conv2d
from tests import reference
from tests.exporter.operators import binary, model, random_case, run
from tests.exporter.test_functions import FEW, SEEDS, convolutions, make_convolution
from tests.reference import pack, pack_signs

LEVELS = ["disable_all", "all"]


def fill_spare_bits(generator, signs, channels):
    """The same signs with other spare bits, which an operator ignores."""
    spare = np.uint8(255 << channels % 8 & 255) if channels % 8 else np.uint8(0)
    noise = generator.integers(0, 256, signs[:, -1].shape, dtype=np.uint8)
    filled = signs.copy()
    filled[:, -1] |= noise & spare
    return filled


def by_channel(values):
    return values[:, None, None]


def make_form(form, case):
    x, threshold, weight, scale, bias, attributes, geometry = make_convolution(case, special=True)
    generator, values = random_case(case["seed"] ^ 1)
    signs = pack_signs(x >= by_channel(threshold))
    shape = reference.xnor_conv2d(x, threshold, weight, scale, bias, **geometry).shape
    operands = {
        "x": x,
        "threshold": threshold,
        "signs": fill_spare_bits(generator, signs, x.shape[1]),
        "weight": pack(weight),
        "scale": scale,
        "bias": bias,
        "residual": values(*shape),
        "slope": values(len(scale)),
        "next_threshold": values(len(scale)),
    }
    inputs = {name: operands[name] for name in form.inputs}
    return inputs, attributes, reference.xnor_conv2d_form(**(inputs | {"weight": weight}), **geometry)


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(
    case=convolutions(most_channels=9, most_outputs=9), name=st.sampled_from(XNOR_CONVOLUTIONS), in_pairs=st.booleans()
)
def test_every_form_is_exact_to_the_bit(level, case, name, in_pairs):
    form = ConvolutionForm.of(name)
    inputs, attributes, expected = make_form(form, case)
    made = model(name, inputs, {"y": 4}, attributes)
    made.functions[0].CopyFrom(xnor_conv2d(form, in_pairs))
    (found,) = run(made, inputs, level)
    np.testing.assert_array_equal(found, expected, strict=True)
    if not form.to_signs:
        np.testing.assert_array_equal(np.signbit(found)[found == 0], np.signbit(expected)[expected == 0])


@pytest.mark.parametrize("name", XNOR_CONVOLUTIONS)
def test_a_form_has_the_inputs_that_its_name_says(name):
    case = {"image": [4, 3], "batch": 2, "weight_shape": [6, 9, 3, 2], "strides": [1, 1], "pads": [1, 0, 1, 1]}
    inputs, attributes, expected = make_form(
        ConvolutionForm.of(name), case | {"dilations": [1, 1], "group": 1, "seed": 0}
    )
    (found,) = run(model(name, inputs, {"y": 4}, attributes), inputs)
    np.testing.assert_array_equal(found, expected, strict=True)


def test_sixteen_names_in_the_order_of_their_parts():
    assert len(set(XNOR_CONVOLUTIONS)) == 16
    assert "XnorConv2d" in XNOR_CONVOLUTIONS
    assert "XnorConv2dFromSignsAddPreluToSigns" in XNOR_CONVOLUTIONS
    assert ConvolutionForm.of("XnorConv2dPreluAdd") is None


@st.composite
def poolings(draw):
    kernel = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    pads = [draw(st.integers(0, kernel[index % 2] - 1)) for index in range(4)]
    image = [max(1, kernel[i] - pads[i] - pads[i + 2]) + draw(st.integers(0, 5)) for i in range(2)]
    strides = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    shape = [draw(st.integers(1, 2)), draw(st.integers(1, 20)), *image]
    return {"shape": shape, "kernel_shape": kernel, "strides": strides, "pads": pads, "seed": draw(SEEDS)}


def max_pool(x, kernel_shape, strides, pads):
    """The largest value of each window; padding is no value."""
    filled = np.pad(x.astype(float), [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(filled, kernel_shape, axis=(2, 3))
    return windows[:, :, :: strides[0], :: strides[1]].max((-2, -1))


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(case=poolings())
def test_pooled_signs_are_the_signs_of_the_pooled_values(level, case):
    generator = np.random.default_rng(case["seed"])
    x = generator.normal(size=case["shape"])
    attributes = {name: case[name] for name in ("kernel_shape", "strides", "pads")}
    inputs = {"signs": pack_signs(x >= 0)}
    (found,) = run(model("SignMaxPool2d", inputs, {"y": 4}, attributes), inputs, level)
    np.testing.assert_array_equal(found, pack_signs(max_pool(x, **attributes) >= 0), strict=True)


def test_spare_bits_of_pooled_signs_are_as_they_were():
    signs = np.full((1, 1, 4, 4), 0b00000111, np.uint8)
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}
    (found,) = run(model("SignMaxPool2d", {"signs": signs}, {"y": 4}, attributes), {"signs": signs})
    np.testing.assert_array_equal(found, np.full((1, 1, 2, 2), 0b00000111, np.uint8), strict=True)


def test_no_channel_is_left_out_of_a_wide_image():
    generator = np.random.default_rng(0)
    weight = binary(generator, 70, 130, 1, 1)
    x = generator.normal(size=(1, 130, 5, 5)).astype(np.float32)
    limits, next_limits = np.zeros(130, np.float32), generator.normal(size=70).astype(np.float32)
    geometry = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1}
    scale, bias = generator.normal(size=(2, 70)).astype(np.float32)
    inputs = {"signs": pack_signs(x >= 0), "weight": pack(weight), "scale": scale, "bias": bias}
    inputs["next_threshold"] = next_limits
    made = model("XnorConv2dFromSignsToSigns", inputs, {"y": 4}, {"weight_shape": [70, 130, 1, 1], **geometry})
    expected = reference.xnor_conv2d(x, limits, weight, scale, bias, **geometry) >= by_channel(next_limits)
    np.testing.assert_array_equal(run(made, inputs)[0], pack_signs(expected), strict=True)
