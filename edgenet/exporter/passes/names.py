"""Name nodes after the layers they come from, and drop what torch's exporter notes about each node."""

import ast

import onnx_ir as ir

_SCOPES = "pkg.torch.onnx.name_scopes"
_WEIGHT_OPERATORS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


def name_nodes(model: ir.Model) -> int:
    """A node gets its module's path, for example `layer1.0.conv1`; where a module makes several nodes, the one with the
    weights has the bare path and the others add their operator. Returns the number of nodes.
    """
    nodes = list(model.graph)
    taken: set[str] = set()
    plans = [(node, *_path(node)) for node in nodes]
    # Those with weights choose first.
    for node, path, is_layer in sorted(plans, key=lambda plan: not plan[2]):
        wanted = path if is_layer and path else "/".join(part for part in (path, node.op_type.lower()) if part)
        name, suffix = wanted, 0
        while name in taken:
            suffix += 1
            name = f"{wanted}_{suffix}"
        taken.add(name)
        node.name = name
    for node in nodes:
        _strip(node)
    for value in [*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()]:
        value.metadata_props.clear()
        value.doc_string = None
    model.graph.metadata_props.clear()
    model.metadata_props.clear()
    model.doc_string = model.graph.doc_string = None
    return len(nodes)


def _path(node: ir.Node) -> tuple[str, bool]:
    """The path of the module that a node comes from, and whether the node carries that module's weights."""
    scopes = ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))
    path = scopes[-2] if len(scopes) > 1 else ""
    if node.op_type in _WEIGHT_OPERATORS and len(node.inputs) > 1:
        # A folded convolution bears the scope of the normalisation that was folded into it.
        weight = node.inputs[1]
        if weight is not None and weight.is_initializer() and (weight.name or "").endswith(".weight"):
            return str(weight.name).removesuffix(".weight"), True
        return path, weight is not None and weight.const_value is not None
    if node.op_type == "Gather":
        table = node.inputs[0]
        is_table = table is not None and table.is_initializer() and table.shape is not None and table.shape.rank() == 2
        return path, is_table
    return path, node.domain != "" or node.op_type in ("RNN", "LSTM", "GRU", "BatchNormalization")


def _strip(node: ir.Node) -> None:
    node.metadata_props.clear()
    node.doc_string = None
    for value in node.outputs:
        value.metadata_props.clear()
        value.doc_string = None
