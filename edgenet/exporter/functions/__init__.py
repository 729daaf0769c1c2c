"""Portable bodies of the `edgenet` operators (export/SPEC.md) in standard ONNX operators. Free of torch.

A file that uses an operator carries its body as a model-local function of the same name, which any ONNX Runtime runs.
"""

from collections.abc import Callable, Iterator, Sequence

from onnx import FunctionProto, ModelProto, NodeProto

from edgenet.exporter.functions.convolution import bwn_conv2d, xnor_conv2d
from edgenet.exporter.functions.linear import bwn_linear, xnor_linear
from edgenet.exporter.functions.nodes import DOMAIN, OPERATOR_SET, OPSET
from edgenet.exporter.functions.recurrence import bwn_recurrence, xnor_recurrence

__all__ = ["DOMAIN", "FUNCTIONS", "OPERATOR_SET", "OPSET", "attach_functions"]

FUNCTIONS: dict[str, Callable[[], FunctionProto]] = {
    "XnorConv2d": xnor_conv2d,
    "BwnConv2d": bwn_conv2d,
    "XnorLinear": xnor_linear,
    "BwnLinear": bwn_linear,
    "XnorRecurrence": xnor_recurrence,
    "BwnRecurrence": bwn_recurrence,
}
"""The function body of each operator, by the operator's name."""


def attach_functions(model: ModelProto) -> None:
    """Add to the model, in place, the body of every `edgenet` operator that its graph uses and no other."""
    used = {node.op_type for node in _nodes(model.graph.node) if node.domain == DOMAIN}
    del model.functions[:]
    model.functions.extend(body() for name, body in FUNCTIONS.items() if name in used)
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
