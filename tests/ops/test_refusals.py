"""A bad node is refused with a message that names operator, what was found and what was expected; nothing crashes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ops import models
from tests.ops.test_operators import CALLS

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
    (
        "XnorConv2dFromSigns",
        {"signs": np.zeros((2, 6, 5, 7), np.uint8)},
        ["input signs", "[2, 6, 5, 7]", "[?, 1, ?, ?]"],
    ),
    ("XnorConv2dFromSigns", {"signs": np.zeros((2, 1, 0, 7), np.uint8)}, ["input signs", "[2, 1, 0, 7]", "empty"]),
    (
        "XnorConv2dFromSigns",
        {"weight_shape": (4, 9, 3, 3), "weight": np.zeros((4, 11), np.uint8)},
        ["input signs", "[2, 1, 5, 7]", "[?, 3, ?, ?]"],
    ),
    (
        "XnorConv2dAdd",
        {"residual": np.zeros((2, 4, 2, 7), np.float32)},
        ["input residual", "[2, 4, 2, 7]", "[2, 4, 3, 7]"],
    ),
    (
        "XnorConv2dAdd",
        {"residual": np.zeros((1, 4, 3, 7), np.float32)},
        ["input residual", "[1, 4, 3, 7]", "[2, 4, 3, 7]"],
    ),
    ("XnorConv2dAddToSigns", {"residual": SCALAR}, ["XnorConv2dAddToSigns", "input residual", "[]", "[2, 4, 3, 7]"]),
    ("XnorConv2dPrelu", {"slope": np.zeros(1, np.float32)}, ["input slope", "[1]", "[4]"]),
    ("XnorConv2dToSigns", {"next_threshold": LONG}, ["input next_threshold", "[3]", "[4]"]),
    ("SignMaxPool2d", {"kernel_shape": None}, ["SignMaxPool2d", "kernel_shape", "missing"]),
    ("SignMaxPool2d", {"kernel_shape": (3,)}, ["kernel_shape", "[3]", "expected 2 integers"]),
    ("SignMaxPool2d", {"kernel_shape": (0, 2)}, ["kernel_shape", "[0, 2]", "at least 1"]),
    ("SignMaxPool2d", {"strides": (0, 1)}, ["strides", "[0, 1]", "at least 1"]),
    ("SignMaxPool2d", {"pads": (1, 2, 1, 1)}, ["pads", "[1, 2, 1, 1]", "less than the kernel, [3, 2]"]),
    ("SignMaxPool2d", {"pads": (1, 1, 3, 1)}, ["pads", "[1, 1, 3, 1]", "less than the kernel, [3, 2]"]),
    ("SignMaxPool2d", {"pads": (-1, 0, 0, 0)}, ["pads", "[-1, 0, 0, 0]", "at least 0"]),
    ("SignMaxPool2d", {"kernel_shape": (9, 2)}, ["input signs", "[2, 2, 6, 7]", "9 x 2", "empty"]),
    ("SignMaxPool2d", {"signs": np.zeros((2, 0, 6, 7), np.uint8)}, ["input signs", "[2, 0, 6, 7]", "empty"]),
    ("SignMaxPool2d", {"signs": np.zeros((2, 6, 7), np.uint8)}, ["input signs", "[2, 6, 7]", "[?, ?, ?, ?]"]),
    ("BwnConv2dInt8", {"weight_shape": (4, 132105, 1, 1)}, ["weight_shape", "at most 132104"]),
    ("Int8Conv2d", {"weight_shape": (4, 1041, 1, 1)}, ["Int8Conv2d", "weight_shape", "at most 1040"]),
    ("Int8Conv2d", {"weight": np.zeros((4, 27), np.int8)}, ["input weight", "[4, 27]", "[4, 3, 3, 3]"]),
    ("Int8Conv2dRelu", {"weight": np.full((4, 3, 3, 3), -128, np.int8)}, ["Int8Conv2dRelu", "input weight", "-128"]),
    ("Int8Linear", {"weight_shape": (5, 133145)}, ["Int8Linear", "weight_shape", "at most 133144"]),
    ("Int8Linear", {"weight": np.zeros((5, 3), np.int8)}, ["input weight", "[5, 3]", "[5, 20]"]),
    ("Int8Linear", {"weight": np.full((5, 20), -128, np.int8)}, ["input weight", "-128", "at least -127"]),
    ("XnorLstm", {"weight_shape": (33, 11)}, ["XnorLstm", "weight_shape", "[33, 11]", "[4 * H, H]"]),
    ("XnorLstm", {"initial_cell": np.zeros((3, 11), np.float32)}, ["input initial_cell", "[3, 11]", "[2, 11]"]),
    ("BwnLstm", {"u": np.zeros((4, 2, 33), np.float32)}, ["BwnLstm", "input u", "[4, 2, 33]", "[?, ?, 44]"]),
    ("XnorGru", {"weight_shape": (44, 11)}, ["XnorGru", "weight_shape", "[44, 11]", "[3 * H, H]"]),
    ("BwnGru", {"bias": np.zeros(33, np.float32)}, ["BwnGru", "input bias", "[33]", "[11]"]),
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


@pytest.mark.parametrize("operator", [name for name, call in CALLS.items() if "scale" in call.inputs])
def test_constants_of_the_wrong_size_are_refused_when_the_model_is_loaded(operator):
    model = CALLS[operator].but(scale=LONG).model()
    with pytest.raises(Exception, match="input scale"):
        models.session(model)


@pytest.mark.parametrize(
    ("operator", "name"), [(operator, name) for operator in CALLS for name in CALLS[operator].inputs]
)
def test_an_element_type_that_does_not_fit_is_refused_when_the_model_is_loaded(operator, name):
    call = CALLS[operator]
    wrong = call.inputs[name].astype(np.float16)
    with pytest.raises(Exception, match=f"Type.*{operator}|{operator}.*[Tt]ype"):
        models.session(call.but(**{name: wrong}).model())


@pytest.mark.parametrize("operator", CALLS)
def test_a_missing_input_is_refused_when_the_model_is_loaded(operator):
    model = CALLS[operator].model()
    del model.graph.node[0].input[-1]
    with pytest.raises(Exception, match=operator):
        models.session(model)


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
    operator=st.sampled_from(["XnorConv2d", "XnorConv2dFromSignsAdd", "BwnConv2d"]),
)
def test_no_attributes_whatever_crash_the_process(operator, weight_shape, strides, pads, dilations, group):
    call = CALLS[operator].but(weight_shape=weight_shape, strides=strides, pads=pads, dilations=dilations, group=group)
    try:
        (y,) = call.run()
    except Exception as refused:
        assert "the_node" in str(refused)  # noqa: PT017
    else:
        assert y.shape[:2] == (2, weight_shape[0])
