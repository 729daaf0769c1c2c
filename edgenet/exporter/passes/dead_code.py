"""Remove what nothing reads: nodes, initialisers, opset imports; and identities."""

import onnx_ir as ir
from onnx_ir.passes import common


def remove_dead_code(model: ir.Model) -> int:
    """Remove identities, nodes whose results nothing reads, and unused initialisers. Returns the number removed."""
    before = len(model.graph) + len(model.graph.initializers)
    for rewrite in (common.IdentityEliminationPass(), common.RemoveUnusedNodesPass()):
        rewrite(model)
    used = {node.domain for node in model.graph.all_nodes()} | {""}
    for domain in set(model.opset_imports) - used:
        del model.opset_imports[domain]
    return before - len(model.graph) - len(model.graph.initializers)
