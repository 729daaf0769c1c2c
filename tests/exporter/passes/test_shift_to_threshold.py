"""A shift in front of an XNOR convolution disappears into its thresholds."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgenet.exporter.passes import turn_shift_into_threshold
from tests.exporter.graphs import constants, graph, node, operators, outputs
from tests.exporter.graphs import rewrite as apply
from tests.exporter.passes.convolutions import CHANNELS, SHAPE, convolution, image, operands

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def shifted(generator, shape, operator="Add", swapped=False, threshold=None, shift=None):
    tensors = operands(generator, "conv", threshold)
    shift = generator.normal(size=shape).astype(np.float32) if shift is None else shift
    sides = ["shift", "x"] if swapped else ["x", "shift"]
    nodes = [node(operator, sides, ["s"]), convolution("s", "y", "conv", tensors)]
    return nodes, tensors | {"shift": shift}


@pytest.mark.parametrize("shape", [(CHANNELS, 1, 1), (1, CHANNELS, 1, 1), (1,), ()])
@pytest.mark.parametrize(("operator", "swapped"), [("Add", False), ("Add", True), ("Sub", False)])
def test_the_result_is_the_very_same(shape, operator, swapped):
    generator = np.random.default_rng(0)
    nodes, tensors = shifted(generator, shape, operator, swapped)
    before = graph(nodes, tensors, SHAPE)
    after, removed = apply(before, turn_shift_into_threshold)
    x = image(generator)
    assert removed == 1
    assert operators(after) == ["XnorConv2d"]
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


@settings(max_examples=100, deadline=None)
@given(threshold=FLOATS, shift=FLOATS)
@example(threshold=1.0, shift=1.0)
@example(threshold=0.0, shift=-0.0)
@example(threshold=3.4028234663852886e38, shift=-3.4028234663852886e38)
def test_the_threshold_is_the_first_float_whose_rounded_sum_meets_the_old_one(threshold, shift):
    old, shift = np.float32(threshold), np.float32(shift)
    generator = np.random.default_rng(0)
    limits, shifts = np.full(CHANNELS, old), np.full((CHANNELS, 1, 1), shift)
    after, _ = apply(graph(*shifted(generator, None, threshold=limits, shift=shifts), SHAPE), turn_shift_into_threshold)
    new = constants(after)["conv.threshold"][0]
    with np.errstate(over="ignore"):
        assert new + shift >= old
        below = np.nextafter(new, np.float32(-np.inf))
        assert below == new or below + shift < old


@pytest.mark.parametrize("limit", [-np.inf, np.inf, np.nan])
def test_a_threshold_that_is_no_number_stays_what_it_means(limit):
    generator = np.random.default_rng(1)
    nodes, tensors = shifted(generator, (CHANNELS, 1, 1), threshold=np.full(CHANNELS, limit, np.float32))
    before = graph(nodes, tensors, SHAPE)
    after, _ = apply(before, turn_shift_into_threshold)
    x = image(generator)
    x[0, :, :2] = np.inf
    x[0, :, 2:4] = -np.inf
    x[0, :, 4:] = np.nan
    np.testing.assert_array_equal(outputs(after, x)[0], outputs(before, x)[0], strict=True)


def test_is_left_alone_where_it_is_no_shift_by_channel_or_read_elsewhere():
    generator = np.random.default_rng(2)
    nodes, tensors = shifted(generator, (6, 6))
    cases = [graph(nodes, tensors, SHAPE)]
    nodes, tensors = shifted(generator, (1,), shift=np.float32([np.inf]))
    cases.append(graph(nodes, tensors, SHAPE))
    nodes, tensors = shifted(generator, (1,), operator="Sub", swapped=True)
    cases.append(graph(nodes, tensors, SHAPE))
    nodes, tensors = shifted(generator, (1,))
    cases.append(graph(nodes, tensors, SHAPE, outputs=["y", "s"]))
    cases.append(graph([*nodes, node("Relu", ["s"], ["z"])], tensors, SHAPE, outputs=["y", "z"]))
    for before in cases:
        after, removed = apply(before, turn_shift_into_threshold)
        assert removed == 0
        assert operators(after) == operators(before)
