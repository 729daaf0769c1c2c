"""The bodies that large XNOR layers get instead, with three weights in two bytes (triples.py), and which layers do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from onnx import FunctionProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from edgenet.exporter.functions.gates import xnor_gru, xnor_lstm
from edgenet.exporter.functions.linear import xnor_linear
from edgenet.exporter.functions.recurrence import xnor_recurrence
from edgenet.exporter.functions.triples import FEWEST_OUTPUTS, LARGEST_SCALE, MOST_INPUTS


@dataclass(frozen=True)
class _Large:
    body: Callable[[], FunctionProto]
    fewest_weights: int
    """From here on it is the faster body for a sample at a time."""


_LARGE = {
    "XnorLinear": _Large(partial(xnor_linear, in_triples=True), 2**20),
    "XnorRecurrence": _Large(partial(xnor_recurrence, in_triples=True), 2**20),
    "XnorLstm": _Large(partial(xnor_lstm, in_triples=True), 2**20),
    "XnorGru": _Large(partial(xnor_gru, in_triples=True), 3 * 2**18),
}


def large_body(operator: str, nodes: Sequence[NodeProto], graph: GraphProto) -> FunctionProto | None:
    """Return the body in triples where all nodes of an operator can have it and the largest gains by it."""
    large = _LARGE.get(operator)
    if large is None:
        return None
    shapes = [helper.get_node_attr_value(node, "weight_shape") for node in nodes]
    gains = max(outputs * inputs for outputs, inputs in shapes) >= large.fewest_weights
    if not gains or not all(_holds(outputs, inputs) for outputs, inputs in shapes):
        return None
    body = large.body()
    constants = {tensor.name: tensor for tensor in graph.initializer}
    scales = [constants.get(node.input[list(body.input).index("scale")]) for node in nodes]
    return body if all(_is_moderate(scale) for scale in scales) else None


def _holds(outputs: int, inputs: int) -> bool:
    return outputs >= FEWEST_OUTPUTS and inputs <= MOST_INPUTS and inputs % 2 == 0


def _is_moderate(scale: TensorProto | None) -> bool:
    return scale is not None and bool((np.abs(numpy_helper.to_array(scale)) <= LARGEST_SCALE).all())
