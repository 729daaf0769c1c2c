"""The bodies of large XNOR layers, three weights in two bytes: to the bit those of small ones, where they pay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenet.exporter.functions.gates import xnor_gru, xnor_lstm
from edgenet.exporter.functions.linear import xnor_linear
from edgenet.exporter.functions.recurrence import xnor_recurrence
from edgenet.exporter.functions.triples import LARGEST_SCALE, MOST_INPUTS
from tests import reference
from tests.exporter import test_function_gates as gates
from tests.exporter.operators import LEVELS, binary, model, random_case, run
from tests.exporter.test_functions import FEW, SEEDS
from tests.reference import pack

BODIES = {"XnorLinear": xnor_linear, "XnorRecurrence": xnor_recurrence, "XnorLstm": xnor_lstm, "XnorGru": xnor_gru}


@st.composite
def cases(draw):
    sizes = {"steps": draw(st.integers(1, 5)), "batch": draw(st.integers(1, 3)), "hidden": 2 * draw(st.integers(1, 12))}
    return {**sizes, "outputs": draw(st.integers(2, 11)), "rank": draw(st.integers(1, 3)), "seed": draw(SEEDS)}


def make(operator, case):
    """Operands by name, +-1 weights, outputs of the operator and its attributes."""
    if operator in ("XnorLstm", "XnorGru"):
        return gates.make(operator.removeprefix("Xnor"), "Xnor", case, special=True)
    generator, values = random_case(case["seed"])
    hidden = case["hidden"]
    rows = case["outputs"] if operator == "XnorLinear" else hidden
    weight, scale = binary(generator, rows, hidden), generator.normal(size=rows).astype(np.float32)
    common = {"threshold": values(hidden), "weight": pack(weight), "scale": scale}
    attributes = {"weight_shape": [rows, hidden]}
    if operator == "XnorLinear":
        x = values(*[case["batch"]] * (case["rank"] - 1), hidden)
        return {"x": x, **common, "bias": values(rows)}, weight, {"y": x.ndim}, attributes
    sequence = {"u": values(case["steps"], case["batch"], hidden)}
    return {**sequence, **common, "initial": values(case["batch"], hidden)}, weight, {"p": 3, "final": 2}, attributes


def outputs(operator, inputs, names, attributes, level="all", in_triples=True):
    made = model(operator, inputs, names, attributes)
    made.functions[0].CopyFrom(BODIES[operator](in_triples=in_triples))
    return run(made, inputs, level)


def bits(array):
    """The bits of an array, any NaN the same."""
    return np.where(np.isnan(array), np.float32(np.nan), array).view(np.uint32)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("operator", BODIES)
@FEW
@given(case=cases())
def test_is_exact_to_the_bit_signs_of_zeros_included(level, operator, case):
    inputs, weight, names, attributes = make(operator, case)
    added = inputs["bias" if operator == "XnorLinear" else "u"]
    added[np.random.default_rng(case["seed"]).random(added.shape) < 0.3] = -0.0
    found = outputs(operator, inputs, names, attributes, level)
    plain = {"XnorLinear": "xnor_linear", "XnorRecurrence": "xnor_recurrence"}
    expected = getattr(reference, plain.get(operator, f"xnor_{operator[4:].lower()}"))(**(inputs | {"weight": weight}))
    small = outputs(operator, inputs, names, attributes, level, in_triples=False)
    for one, other, right in zip(found, small, expected if len(names) > 1 else [expected], strict=True):
        np.testing.assert_array_equal(one, right, strict=True)
        np.testing.assert_array_equal(bits(one), bits(other))


@pytest.mark.parametrize("features", [2, 1024, MOST_INPUTS])
def test_the_largest_and_smallest_dots_are_told_apart(features):
    generator, _ = random_case(features)
    x = binary(generator, 1, features).astype(np.float32)
    whole, half = x[0], np.where(np.arange(features) % 2, x[0], -x[0])
    kinds = np.stack([whole, -whole, half, np.where(np.arange(features) == 0, -whole, whole)])
    weight = np.concatenate([kinds[list(np.ndindex(4, 4, 4))[index], :] for index in range(64)])
    weight = weight.reshape(64, 3, features).transpose(1, 0, 2).reshape(192, features)
    ones, zeros = np.ones(192, np.float32), np.zeros(192, np.float32)
    inputs = {"x": x, "threshold": np.zeros(features, np.float32), "weight": pack(weight), "scale": ones, "bias": zeros}
    found = outputs("XnorLinear", inputs, {"y": 2}, {"weight_shape": [192, features]})[0]
    np.testing.assert_array_equal(found[0], weight @ x[0])


def is_given_in_triples(operator="XnorLinear", rows=1024, inputs=1024, scale=1.0):
    case = {"steps": 1, "batch": 1, "hidden": inputs, "outputs": rows, "rank": 2, "seed": 0}
    operands, _, names, attributes = make(operator, case)
    operands["scale"] = np.full_like(operands["scale"], scale)
    body = model(operator, operands, names, attributes).functions[0]
    return body == BODIES[operator](in_triples=True)


def test_large_layers_are_given_it():
    assert is_given_in_triples()
    assert is_given_in_triples("XnorGru", inputs=512)
    assert not is_given_in_triples(rows=1023)
    assert not is_given_in_triples("XnorRecurrence", inputs=512)


def test_layers_that_it_cannot_hold_are_not():
    assert not is_given_in_triples(inputs=1025)
    assert not is_given_in_triples(rows=1, inputs=2**20)
    assert is_given_in_triples(inputs=MOST_INPUTS)
    assert not is_given_in_triples(inputs=MOST_INPUTS + 2)
    assert is_given_in_triples(scale=LARGEST_SCALE)
    assert not is_given_in_triples(scale=2 * LARGEST_SCALE)
    assert not is_given_in_triples(scale=np.nan)
