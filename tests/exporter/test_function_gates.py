"""The LSTM and GRU bodies do what export/SPEC.md says: XNOR to the bit, binary weights step by step within rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.exporter.operators import binary, model, random_case, run
from tests.exporter.test_functions import FEW, recurrences
from tests.reference import pack

LEVELS = ["disable_all", "all"]
GATES = {"Lstm": 4, "Gru": 3}


def make(kind, scheme, case, special):
    """Operands by name, +-1 weights [gates * H, H], outputs of the operator and its attributes."""
    generator, values = random_case(case["seed"], special)
    steps, batch, hidden = (case[name] for name in ("steps", "batch", "hidden"))
    rows = GATES[kind] * hidden
    weight = binary(generator, rows, hidden)
    scale = (generator.normal(size=rows) / np.sqrt(hidden)).astype(np.float32)
    inputs = {"u": values(steps, batch, rows), "threshold": values(hidden), "weight": pack(weight), "scale": scale}
    inputs |= {"bias": values(hidden), "initial": values(batch, hidden), "initial_cell": values(batch, hidden)}
    left_out = {"Lstm": {"bias"}, "Gru": {"initial_cell"}}[kind] | ({"threshold"} if scheme == "Bwn" else set())
    outputs = {"h": 3, "final": 2} | ({"final_cell": 2} if kind == "Lstm" else {})
    used = {name: array for name, array in inputs.items() if name not in left_out}
    return used, weight, outputs, {"weight_shape": [rows, hidden]}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", GATES)
@FEW
@given(case=recurrences(), special=st.booleans())
def test_xnor_is_exact_to_the_bit_and_hands_a_nan_on(level, kind, case, special):
    inputs, weight, outputs, attributes = make(kind, "Xnor", case, special)
    found = run(model(f"Xnor{kind}", inputs, outputs, attributes), inputs, level)
    plain = getattr(reference, f"xnor_{kind.lower()}")
    for one, expected in zip(found, plain(**(inputs | {"weight": weight})), strict=True):
        np.testing.assert_array_equal(one, expected, strict=True)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", GATES)
@FEW
@given(case=recurrences())
def test_binary_weights_are_within_rounding_of_one_step_from_equal_states(level, kind, case):
    inputs, weight, outputs, attributes = make(kind, "Bwn", case | {"steps": 1}, special=False)
    found = run(model(f"Bwn{kind}", inputs, outputs, attributes), inputs, level)
    plain = getattr(reference, f"bwn_{kind.lower()}")
    magnitude = 1 + np.abs(inputs["scale"]).max() * np.abs(inputs["initial"]).sum()
    for one, expected in zip(found, plain(**(inputs | {"weight": weight})), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-5 * magnitude)


@pytest.mark.parametrize("scheme", ["Xnor", "Bwn"])
@pytest.mark.parametrize("kind", GATES)
def test_a_sequence_in_two_parts_is_the_sequence(scheme, kind):
    inputs, _, outputs, attributes = make(kind, scheme, {"steps": 6, "batch": 2, "hidden": 19, "seed": 0}, False)
    states = [name for name in ("initial", "initial_cell") if name in inputs]
    whole = run(model(f"{scheme}{kind}", inputs, outputs, attributes), inputs)
    first = inputs | {"u": inputs["u"][:2]}
    early = run(model(f"{scheme}{kind}", first, outputs, attributes), first)
    second = inputs | {"u": inputs["u"][2:]} | dict(zip(states, early[1:], strict=True))
    late = run(model(f"{scheme}{kind}", second, outputs, attributes), second)
    np.testing.assert_array_equal(np.concatenate([early[0], late[0]]), whole[0])
    for one, expected in zip(late[1:], whole[1:], strict=True):
        np.testing.assert_array_equal(one, expected)
    np.testing.assert_array_equal(whole[1], whole[0][-1])
