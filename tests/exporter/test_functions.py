"""The function bodies do what export/SPEC.md says, at every optimisation level of ONNX Runtime."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from edgenet.exporter.functions import FUNCTIONS, OPERATOR_SET, OPSET, attach_functions
from tests import reference
from tests.exporter.operators import LEVELS, binary, model, random_case, run
from tests.reference import pack

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=25, deadline=None)


def assert_within_rounding(found, expected, magnitude):
    """Equal where not finite, else within 1e-5 of the sum of magnitudes (and the rounding of the result itself)."""
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite].astype(np.float32))
    bound = 1e-5 * np.broadcast_to(magnitude, expected.shape)[finite] + 1e-6 * np.abs(expected[finite])
    assert (np.abs(found[finite] - expected[finite]) <= bound).all()


@st.composite
def convolutions(draw, most_channels=5, most_outputs=4):
    group = draw(st.sampled_from([1, 1, 2, 3]))
    channels, outputs = draw(st.integers(1, most_channels)), draw(st.integers(1, most_outputs))
    height, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dilations = [draw(st.integers(1, 2)), draw(st.integers(1, 2))]
    pads = [draw(st.integers(0, 2)) for _ in range(4)]
    smallest = [dilations[0] * (height - 1) + 1 - pads[0] - pads[2], dilations[1] * (width - 1) + 1 - pads[1] - pads[3]]
    return {
        "image": [max(size, 1) + draw(st.integers(0, 6)) for size in smallest],
        "batch": draw(st.integers(1, 3)),
        "weight_shape": [outputs * group, channels, height, width],
        "strides": [draw(st.integers(1, 2)), draw(st.integers(1, 3))],
        "pads": pads,
        "dilations": dilations,
        "group": group,
        "seed": draw(SEEDS),
    }


def make_convolution(case, special):
    generator, values = random_case(case["seed"], special)
    outputs, channels = case["weight_shape"][0], case["weight_shape"][1] * case["group"]
    weight = binary(generator, *case["weight_shape"])
    x, threshold = values(case["batch"], channels, *case["image"]), values(channels)
    scale, bias = (generator.normal(size=(2, outputs))).astype(np.float32)
    geometry = {name: case[name] for name in ("strides", "pads", "dilations", "group")}
    return x, threshold, weight, scale, bias, {"weight_shape": case["weight_shape"], **geometry}, geometry


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(case=convolutions())
def test_xnor_convolution_is_exact_to_the_bit(level, case):
    x, threshold, weight, scale, bias, attributes, geometry = make_convolution(case, special=True)
    inputs = {"x": x, "threshold": threshold, "weight": pack(weight), "scale": scale, "bias": bias}
    expected = reference.xnor_conv2d(x, threshold, weight, scale, bias, **geometry)
    found = run(model("XnorConv2d", inputs, {"y": 4}, attributes), inputs, level)[0]
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(case=convolutions(), special=st.booleans())
def test_binary_weight_convolution_is_within_rounding(level, case, special):
    x, _, weight, scale, bias, attributes, geometry = make_convolution(case, special)
    inputs = {"x": x, "weight": pack(weight), "scale": scale, "bias": bias}
    expected = reference.bwn_conv2d(x, weight, scale, bias, **geometry)
    magnitude = reference.bwn_conv2d(np.abs(x), np.abs(weight), np.abs(scale), 0 * bias, **geometry)
    found = run(model("BwnConv2d", inputs, {"y": 4}, attributes), inputs, level)[0]
    assert_within_rounding(found, expected, magnitude)


@st.composite
def linears(draw):
    leading = draw(st.lists(st.integers(1, 4), max_size=3))
    return {"shape": [*leading, draw(st.integers(1, 70))], "outputs": draw(st.integers(1, 9)), "seed": draw(SEEDS)}


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(case=linears())
def test_xnor_linear_is_exact_to_the_bit_at_ranks_one_to_four(level, case):
    generator, values = random_case(case["seed"])
    features, outputs = case["shape"][-1], case["outputs"]
    x, threshold, weight = values(*case["shape"]), values(features), binary(generator, outputs, features)
    scale, bias = generator.normal(size=(2, outputs)).astype(np.float32)
    inputs = {"x": x, "threshold": threshold, "weight": pack(weight), "scale": scale, "bias": bias}
    found = run(model("XnorLinear", inputs, {"y": x.ndim}, {"weight_shape": [outputs, features]}), inputs, level)[0]
    expected = reference.xnor_linear(x, threshold, weight, scale, bias)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(case=linears(), special=st.booleans())
def test_binary_weight_linear_is_within_rounding_at_ranks_one_to_four(level, case, special):
    generator, values = random_case(case["seed"], special)
    features, outputs = case["shape"][-1], case["outputs"]
    x, weight = values(*case["shape"]), binary(generator, outputs, features)
    scale, bias = generator.normal(size=(2, outputs)).astype(np.float32)
    inputs = {"x": x, "weight": pack(weight), "scale": scale, "bias": bias}
    found = run(model("BwnLinear", inputs, {"y": x.ndim}, {"weight_shape": [outputs, features]}), inputs, level)[0]
    expected = reference.bwn_linear(x, weight, scale, bias)
    magnitude = reference.bwn_linear(np.abs(x), np.abs(weight), np.abs(scale), 0 * bias)
    assert_within_rounding(found, expected, magnitude)


@st.composite
def recurrences(draw):
    sizes = {"steps": draw(st.integers(1, 5)), "batch": draw(st.integers(1, 3)), "hidden": draw(st.integers(1, 20))}
    return {**sizes, "seed": draw(SEEDS)}


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(case=recurrences())
def test_xnor_recurrence_is_exact_to_the_bit_and_its_last_step_is_the_final_state(level, case):
    generator, values = random_case(case["seed"])
    hidden = case["hidden"]
    u, initial = values(case["steps"], case["batch"], hidden), values(case["batch"], hidden)
    threshold, weight = values(hidden), binary(generator, hidden, hidden)
    scale = generator.normal(size=hidden).astype(np.float32)
    inputs = {"u": u, "threshold": threshold, "weight": pack(weight), "scale": scale, "initial": initial}
    made = model("XnorRecurrence", inputs, {"p": 3, "final": 2}, {"weight_shape": [hidden, hidden]})
    found, final = run(made, inputs, level)
    expected, expected_final = reference.xnor_recurrence(u, threshold, weight, scale, initial)
    np.testing.assert_array_equal(found, expected, strict=True)
    np.testing.assert_array_equal(final, expected_final, strict=True)


@pytest.mark.parametrize("level", LEVELS)
@FEW
@given(case=recurrences())
def test_binary_weight_recurrence_is_within_rounding_of_each_step(level, case):
    generator, values = random_case(case["seed"], special=False)
    hidden = case["hidden"]
    u, initial = values(case["steps"], case["batch"], hidden), values(case["batch"], hidden)
    weight, scale = binary(generator, hidden, hidden), generator.normal(size=hidden).astype(np.float32)
    inputs = {"u": u, "weight": pack(weight), "scale": scale, "initial": initial}
    made = model("BwnRecurrence", inputs, {"p": 3, "final": 2}, {"weight_shape": [hidden, hidden]})
    found, final = run(made, inputs, level)
    previous = np.tanh(np.concatenate([initial[None], found[:-1]]).astype(np.float64))
    expected = scale * (previous @ weight.T) + u
    assert_within_rounding(found, expected, np.abs(scale) * np.abs(previous).sum(-1, keepdims=True))
    np.testing.assert_array_equal(final, found[-1], strict=True)


@pytest.mark.parametrize("level", LEVELS)
def test_sums_that_are_exactly_zero_stay_zero_for_the_next_sign(level):
    """Folding the scale into the weights would leave a rounding error where +1 and -1 cancel."""
    geometry = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}
    generator, _ = random_case(0)
    x = generator.normal(size=(1, 64, 9, 9)).astype(np.float32)
    weight = binary(generator, 32, 64, 3, 3)
    scale = generator.random(32, dtype=np.float32)
    inputs = {
        "x": x,
        "threshold": np.zeros(64, np.float32),
        "weight": pack(weight),
        "scale": scale,
        "bias": np.zeros(32, np.float32),
    }
    attributes = {"weight_shape": list(weight.shape), **geometry}
    found = run(model("XnorConv2d", inputs, {"y": 4}, attributes), inputs, level)[0]
    ones, zeros = np.ones(32, np.float32), np.zeros(32, np.float32)
    dot = reference.xnor_conv2d(x, inputs["threshold"], weight, ones, zeros, **geometry)
    assert (dot == 0).sum() > 50
    np.testing.assert_array_equal(found == 0, dot == 0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_body_uses_standard_operators_of_opset_18_alone(name):
    body = FUNCTIONS[name]()
    assert (body.domain, body.name) == ("edgenet", name)
    assert [(entry.domain, entry.version) for entry in body.opset_import] == [("", OPSET)]
    assert {node.domain for node in body.node} == {""}


def test_only_bodies_in_use_are_attached_also_for_nodes_in_inner_graphs():
    inner = helper.make_graph([helper.make_node("BwnLinear", ["x"], ["y"], domain="edgenet")], "then", [], [])
    outer = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    made = helper.make_model(helper.make_graph([outer], "g", [], []), opset_imports=[helper.make_opsetid("", 18)])
    attach_functions(made)
    attach_functions(made)
    assert [function.name for function in made.functions] == ["BwnLinear"]
    assert [(entry.domain, entry.version) for entry in made.opset_import] == [("", 18), ("edgenet", OPERATOR_SET)]


def test_a_model_without_binary_layers_gets_no_function_and_no_domain():
    node = helper.make_node("Relu", ["x"], ["y"])
    made = helper.make_model(helper.make_graph([node], "g", [], []), opset_imports=[helper.make_opsetid("", 18)])
    attach_functions(made)
    assert not made.functions
    assert onnx.defs.ONNX_DOMAIN in [entry.domain for entry in made.opset_import]
    assert len(made.opset_import) == 1
