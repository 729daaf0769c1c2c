"""The bodies that large XNOR layers get instead, and which layers do.

Linear and recurrent ones have three weights in two bytes (triples.py), convolutions two in a float (pairs.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np
from onnx import FunctionProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from edgenet.exporter.functions.convolution import xnor_conv2d
from edgenet.exporter.functions.forms import ConvolutionForm
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


FEWEST_PAIRED_WEIGHTS = 2**14
"""A convolution of fewer is no faster in pairs, and the file is 2 kB larger."""


def large_body(operator: str, nodes: Sequence[NodeProto], graph: GraphProto) -> FunctionProto | None:
    """Return the body in triples or pairs where all nodes of an operator can have it and the largest gains by it."""
    form, large = ConvolutionForm.of(operator), _LARGE.get(operator)
    if form is None and large is None:
        return None
    shapes = [helper.get_node_attr_value(node, "weight_shape") for node in nodes]
    if form is not None:
        # A layer that cannot have pairs is single in this body as well.
        return xnor_conv2d(form, in_pairs=True) if max(map(prod, shapes)) >= FEWEST_PAIRED_WEIGHTS else None
    assert large is not None
    gains = max(map(prod, shapes)) >= large.fewest_weights
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
