"""Turn a shift by channel that only XNOR convolutions read into their thresholds."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgenet.exporter.passes.graph import array, convolution_form, is_operator, replace_constant

_SIGN_BIT = 2**31
_INFINITY = int(np.float32(np.inf).view(np.int32))


def turn_shift_into_threshold(model: ir.Model) -> int:
    """sign(x + c >= t) is sign(x >= T), T the smallest float32 whose sum with c, rounded, is not below t: equal to the
    bit, as rounding never turns the order of two sums round.

    For Add and Sub of a finite constant by channel, where every reader is an XNOR convolution with constant thresholds.
    Returns the number of nodes removed.
    """
    count = 0
    for node in list(model.graph):
        source, shift = _shift(node)
        if source is None or shift is None:
            continue
        result = node.outputs[0]
        limits = [(reader, array(reader.inputs[1])) for reader in _readers(result)]
        if not limits or any(limit is None or shift.size not in (1, limit.size) for _, limit in limits):
            continue
        for reader, limit in limits:
            assert limit is not None
            replace_constant(reader, 1, _before_shift(limit, shift), "threshold")
        ir.convenience.replace_all_uses_with(result, source)
        assert node.graph is not None
        node.graph.remove(node, safe=True)
        count += 1
    return count


def _shift(node: ir.Node) -> tuple[ir.Value | None, NDArray[np.float32] | None]:
    """What a node shifts, and by how much: one number, or one a channel; None for any other node."""
    if not is_operator(node, "Add", "Sub"):
        return None, None
    source, constant = node.inputs
    if is_operator(node, "Add") and array(constant) is None:
        source, constant = constant, source
    shift = array(constant)
    if shift is None or source is None or source.shape is None or source.shape.rank() != 4 or shift.ndim > 4:
        return None, None
    by_channel = shift.size == 1 or (shift.ndim >= 3 and shift.shape[-3] == shift.size)
    if not by_channel or not np.isfinite(shift).all():
        return None, None
    return source, (-shift if is_operator(node, "Sub") else shift).reshape(-1)


def _readers(value: ir.Value) -> list[ir.Node]:
    """The XNOR convolutions that compare the value; empty where anything else reads it."""
    readers = [node for node, index in value.uses() if index == 0 and _compares(node)]
    return readers if len(readers) == len(value.uses()) and not value.is_graph_output() else []


def _compares(node: ir.Node) -> bool:
    form = convolution_form(node)
    return form is not None and not form.from_signs


def _before_shift(threshold: NDArray[np.float32], shift: NDArray[np.float32]) -> NDArray[np.float32]:
    def met(x: NDArray[np.float32]) -> NDArray[np.bool_]:
        with np.errstate(over="ignore"):
            return x + shift >= threshold

    return np.where(np.isnan(threshold), threshold, _smallest(met, threshold.shape))


def _smallest(met: Callable[[NDArray[np.float32]], NDArray[np.bool_]], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The smallest float32 that meets a condition which all above it meet, infinity at least: by bisection of ranks."""
    low, high = np.full(shape, -_INFINITY - 1), np.full(shape, _INFINITY)
    while (low + 1 < high).any():
        middle = (low + high) // 2
        reached = met(_float_of_rank(middle))
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return _float_of_rank(high)


def _float_of_rank(rank: NDArray[np.int64]) -> NDArray[np.float32]:
    """The float32 that is `rank` steps above 0: rank 1 is the smallest positive one."""
    bits = np.where(rank >= 0, rank, _SIGN_BIT - rank)
    return bits.astype(np.uint32).view(np.float32)
