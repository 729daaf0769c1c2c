"""Portable bodies of the `edgenet` operators (export/SPEC.md) in standard ONNX operators. Free of torch.

A file that uses an operator carries its body as a model-local function of the same name, which any ONNX Runtime runs.

ONNX Runtime unpacks all weights when it loads a file, which takes about as much memory as loading the fp32 network does
(tests/exporter/test_function_memory.py); then a weight stays 4 bytes, 2 in most XNOR convolutions, or 1 at most in XNOR
linear and recurrent layers.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from onnx import FunctionProto, ModelProto, NodeProto

from edgenet.exporter.functions.convolution import (
    bwn_conv2d,
    bwn_conv2d_int8,
    int8_conv2d,
    int8_conv2d_relu,
    int8_conv2d_relu_max_pool,
    xnor_conv2d,
)
from edgenet.exporter.functions.forms import OPERATORS as XNOR_CONVOLUTIONS
from edgenet.exporter.functions.forms import ConvolutionForm
from edgenet.exporter.functions.gates import bwn_gru, bwn_lstm, xnor_gru, xnor_lstm
from edgenet.exporter.functions.large import large_body
from edgenet.exporter.functions.linear import bwn_linear, int8_linear, xnor_linear
from edgenet.exporter.functions.nodes import DOMAIN, OPERATOR_SET, OPSET
from edgenet.exporter.functions.recurrence import bwn_recurrence, xnor_recurrence
from edgenet.exporter.functions.signs import sign_max_pool2d

__all__ = ["DOMAIN", "FUNCTIONS", "OPERATOR_SET", "OPSET", "XNOR_CONVOLUTIONS", "ConvolutionForm", "attach_functions"]


def _xnor_convolutions() -> dict[str, Callable[[], FunctionProto]]:
    forms = (ConvolutionForm.of(name) for name in XNOR_CONVOLUTIONS)
    return {form.operator: partial(xnor_conv2d, form) for form in forms if form is not None}


FUNCTIONS: dict[str, Callable[[], FunctionProto]] = {
    **_xnor_convolutions(),
    "SignMaxPool2d": sign_max_pool2d,
    "BwnConv2d": bwn_conv2d,
    "BwnConv2dInt8": bwn_conv2d_int8,
    "Int8Conv2d": int8_conv2d,
    "Int8Conv2dRelu": int8_conv2d_relu,
    "Int8Conv2dReluMaxPool": int8_conv2d_relu_max_pool,
    "XnorLinear": xnor_linear,
    "BwnLinear": bwn_linear,
    "Int8Linear": int8_linear,
    "XnorRecurrence": xnor_recurrence,
    "BwnRecurrence": bwn_recurrence,
    "XnorLstm": xnor_lstm,
    "BwnLstm": bwn_lstm,
    "XnorGru": xnor_gru,
    "BwnGru": bwn_gru,
}
"""The function body of each operator, by the operator's name; large XNOR layers get another (large.py)."""


def attach_functions(model: ModelProto) -> None:
    """Add to the model, in place, the body of every `edgenet` operator that its graph uses and no other."""
    used: dict[str, list[NodeProto]] = {}
    for node in _nodes(model.graph.node):
        if node.domain == DOMAIN:
            used.setdefault(node.op_type, []).append(node)
    del model.functions[:]
    model.functions.extend(
        large_body(name, used[name], model.graph) or body() for name, body in FUNCTIONS.items() if name in used
    )
    others = [entry for entry in model.opset_import if entry.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(others)
    if used:
        model.opset_import.add(domain=DOMAIN, version=OPERATOR_SET)


def _nodes(nodes: Sequence[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g.node)
