"""Rewrites of the exported graph, one a file, each in place and each leaving the network's function as it was."""

from collections.abc import Callable

import onnx_ir as ir

from edgenet.exporter.passes.batch_normalization_into_binary import fold_into_binary
from edgenet.exporter.passes.batch_normalization_into_float import fold_into_float
from edgenet.exporter.passes.batch_normalization_to_threshold import turn_into_threshold
from edgenet.exporter.passes.constants import name_constants
from edgenet.exporter.passes.dead_code import remove_dead_code
from edgenet.exporter.passes.names import name_nodes

__all__ = [
    "PASSES",
    "apply_passes",
    "fold_into_binary",
    "fold_into_float",
    "name_constants",
    "name_nodes",
    "remove_dead_code",
    "turn_into_threshold",
]

PASSES: tuple[Callable[[ir.Model], int], ...] = (
    name_nodes,
    remove_dead_code,
    fold_into_binary,
    turn_into_threshold,
    fold_into_float,
    remove_dead_code,
    name_constants,
)


def apply_passes(model: ir.Model) -> None:
    """Apply all passes in their order."""
    for rewrite in PASSES:
        rewrite(model)
