"""Name constants after the layer and the role they have there."""

from collections.abc import Sequence

import onnx_ir as ir

from edgenet.exporter.functions import FUNCTIONS
from edgenet.exporter.passes.graph import is_edgenet

_ROLES: dict[str, Sequence[str]] = {
    "Conv": ("", "weight", "bias"),
    "ConvTranspose": ("", "weight", "bias"),
    "Gemm": ("", "weight", "bias"),
    "MatMul": ("", "weight"),
    "Add": ("bias", "bias"),
    "RNN": ("", "weight", "recurrent_weight", "bias"),
    "BatchNormalization": ("", "weight", "bias", "running_mean", "running_var"),
}


def name_constants(model: ir.Model) -> int:
    """A constant becomes `layer.role`, for example `layer1.0.conv1.scale`, or `shared.role` where several nodes read
    it, as torch's exporter merges equal tensors. Returns the number renamed.
    """
    graph = model.graph
    wanted: dict[ir.Value, str] = {}
    for node in graph:
        for value, role in zip(node.inputs, _roles(node), strict=False):
            if value is None or not role or not value.is_initializer() or value in wanted:
                continue
            shared = len({reader for reader, _ in value.uses()}) > 1
            wanted[value] = f"shared.{role}" if shared else f"{node.name.removesuffix('/add')}.{role}"  # type: ignore[union-attr]
    for value in wanted:
        graph.initializers.pop(str(value.name))
    for value, name in wanted.items():
        free, suffix = name, 0
        while free in graph.initializers:
            suffix += 1
            free = f"{name}_{suffix}"
        value.name = free
        graph.register_initializer(value)
    return len(wanted)


def _roles(node: ir.Node) -> Sequence[str]:
    if is_edgenet(node, *FUNCTIONS):
        # Data comes first, and last in a recurrence; neither is a constant.
        return FUNCTIONS[node.op_type]().input
    return _ROLES.get(node.op_type, ()) if node.domain == "" else ()
