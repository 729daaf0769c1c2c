"""A bad node is refused with a message that names operator, what was found and what was expected; nothing crashes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ops import models
from tests.ops.test_operators import example_calls

CALLS = example_calls()
LONG = np.zeros(3, np.float32)
SCALAR = np.array(1, np.float32)


def refusal(call: models.Call, **how) -> str:
    with pytest.raises(Exception, match=r"edgenet|Type") as caught:
        call.run(**how)
    return str(caught.value)


# (operator, what is changed, what the message must say)
BAD_NODES = [
    ("XnorConv2d", {"weight_shape": None}, ["XnorConv2d", "weight_shape", "missing"]),
    ("XnorConv2d", {"weight_shape": (4, 3, 3)}, ["weight_shape", "[4, 3, 3]", "expected 4 integers"]),
    ("XnorConv2d", {"weight_shape": (4, 0, 3, 3)}, ["weight_shape", "[4, 0, 3, 3]", "at least 1"]),
    ("XnorConv2d", {"weight_shape": (4, 3, 3, 2**62)}, ["weight_shape", "less than 2^31"]),
    ("XnorConv2d", {"weight_shape": (4, 2**20, 5, 5)}, ["weight_shape", "at most 16777215"]),
    ("XnorConv2d", {"x": np.zeros((2, 5, 5, 7), np.float32)}, ["input x", "[2, 5, 5, 7]", "[?, 6, ?, ?]"]),
    ("XnorConv2d", {"strides": (0, 1)}, ["strides", "[0, 1]", "at least 1"]),
    ("XnorConv2d", {"strides": "two"}, ["strides", "expected 2 integers"]),
    ("XnorConv2d", {"strides": None}, ["strides", "missing"]),
    ("XnorConv2d", {"pads": (1, 1)}, ["pads", "[1, 1]", "expected 4 integers"]),
    ("XnorConv2d", {"pads": (1, 1, 1, -1)}, ["pads", "[1, 1, 1, -1]", "at least 0"]),
    ("XnorConv2d", {"dilations": (0, 1)}, ["dilations", "[0, 1]"]),
    ("XnorConv2d", {"dilations": (9, 9)}, ["input x", "[2, 6, 5, 7]", "empty"]),
    ("XnorConv2d", {"group": None}, ["group", "missing"]),
    ("XnorConv2d", {"group": 0}, ["group", "0", "at least 1"]),
    ("XnorConv2d", {"group": 3}, ["group", "3", "divisor of the 4 output channels"]),
    ("XnorConv2d", {"threshold": LONG}, ["input threshold", "[3]", "[6]"]),
    ("XnorConv2d", {"scale": SCALAR}, ["input scale", "[]", "[4]"]),
    ("XnorConv2d", {"bias": np.zeros((1, 4), np.float32)}, ["input bias", "[1, 4]", "[4]"]),
    ("XnorConv2d", {"weight": np.zeros((4, 3), np.uint8)}, ["input weight", "[4, 3]", "[4, 4]"]),
    ("XnorConv2d", {"weight": np.zeros((3, 4), np.uint8)}, ["input weight", "[3, 4]", "[4, 4]"]),
    ("XnorConv2d", {"x": np.zeros((6, 5, 7), np.float32)}, ["input x", "[6, 5, 7]", "[?, 6, ?, ?]"]),
    ("XnorConv2d", {"x": np.zeros((0, 6, 5, 7), np.float32)}, ["input x", "[0, 6, 5, 7]", "empty"]),
    ("XnorConv2d", {"x": np.zeros((2, 6, 0, 7), np.float32)}, ["input x", "[2, 6, 0, 7]", "empty"]),
    ("BwnConv2d", {"weight": np.zeros((4, 5), np.uint8)}, ["BwnConv2d", "input weight", "[4, 5]", "[4, 4]"]),
    ("XnorLinear", {"weight_shape": (5, 2**24)}, ["XnorLinear", "weight_shape", "at most 16777215"]),
    ("XnorLinear", {"weight_shape": (20,)}, ["weight_shape", "[20]", "expected 2 integers"]),
    ("XnorLinear", {"x": np.zeros((3, 21), np.float32)}, ["input x", "[3, 21]", "[?, 20]"]),
    ("XnorLinear", {"x": SCALAR}, ["input x", "[]", "[20]"]),
    ("XnorLinear", {"x": np.zeros((0, 20), np.float32)}, ["input x", "[0, 20]", "at least one row"]),
    ("BwnLinear", {"scale": LONG}, ["BwnLinear", "input scale", "[3]", "[5]"]),
    ("XnorRecurrence", {"weight_shape": (11, 12)}, ["XnorRecurrence", "[11, 12]", "[H, H]"]),
    ("XnorRecurrence", {"u": np.zeros((0, 2, 11), np.float32)}, ["input u", "[0, 2, 11]", "at least one step"]),
    ("XnorRecurrence", {"initial": np.zeros((3, 11), np.float32)}, ["input initial", "[3, 11]", "[2, 11]"]),
    ("BwnRecurrence", {"u": np.zeros((4, 2, 10), np.float32)}, ["BwnRecurrence", "input u", "[?, ?, 11]"]),
]


@pytest.mark.parametrize("how", [{}, {"typed": False}, {"constants": False}, {"constants": False, "typed": False}])
@pytest.mark.parametrize(("operator", "changes", "said"), BAD_NODES)
def test_a_bad_node_is_refused(operator, changes, said, how):
    message = refusal(CALLS[operator].but(**changes), **how)
    assert [part for part in ["the_node", *said] if part not in message] == [], message


@pytest.mark.parametrize("operator", CALLS)
def test_constants_of_the_wrong_size_are_refused_when_the_model_is_loaded(operator):
    model = CALLS[operator].but(scale=LONG).model()
    with pytest.raises(Exception, match="input scale"):
        models.session(model)


@pytest.mark.parametrize("operator", CALLS)
@pytest.mark.parametrize("name", ["x", "weight", "scale"])
def test_an_element_type_that_does_not_fit_is_refused_when_the_model_is_loaded(operator, name):
    call = CALLS[operator]
    name = next(iter(call.inputs)) if name == "x" else name
    wrong = call.inputs[name].astype(np.float16 if name != "weight" else np.float32)
    with pytest.raises(Exception, match=f"Type.*{operator}|{operator}.*[Tt]ype"):
        models.session(call.but(**{name: wrong}).model())


@pytest.mark.parametrize("operator", CALLS)
def test_a_missing_input_is_refused_when_the_model_is_loaded(operator):
    last = list(CALLS[operator].inputs)[-1]
    with pytest.raises(Exception, match=operator):
        models.session(CALLS[operator].but(**{last: None}).model())


def test_an_instruction_set_that_does_not_exist_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("EDGENET_ISA", "sse9")
    with pytest.raises(Exception, match=r'EDGENET_ISA is "sse9".*scalar'):
        models.session(CALLS["XnorLinear"].model())


numbers = st.one_of(st.integers(-2, 9), st.sampled_from([2**24, 2**31, 2**40, 2**63 - 1, -(2**63)]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    weight_shape=st.lists(numbers, min_size=4, max_size=4),
    strides=st.lists(numbers, min_size=2, max_size=2),
    pads=st.lists(st.integers(-1, 5), min_size=4, max_size=4),
    dilations=st.lists(numbers, min_size=2, max_size=2),
    group=numbers,
)
def test_no_attributes_whatever_crash_the_process(weight_shape, strides, pads, dilations, group):
    call = CALLS["XnorConv2d"].but(
        weight_shape=weight_shape, strides=strides, pads=pads, dilations=dilations, group=group
    )
    try:
        (y,) = call.run()
    except Exception as refused:
        assert "the_node" in str(refused)  # noqa: PT017
    else:
        assert y.shape[:2] == (2, weight_shape[0])
