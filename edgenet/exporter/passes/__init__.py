"""Rewrites of the exported graph, one a file, each in place and each leaving the network's function as it was."""

from collections.abc import Callable

import onnx_ir as ir

from edgenet.exporter.passes.batch_normalization_into_binary import fold_into_binary
from edgenet.exporter.passes.batch_normalization_into_float import fold_into_float
from edgenet.exporter.passes.batch_normalization_to_threshold import turn_into_threshold
from edgenet.exporter.passes.constants import name_constants
from edgenet.exporter.passes.dead_code import remove_dead_code
from edgenet.exporter.passes.max_pool_into_int8 import take_maxima_in_int8
from edgenet.exporter.passes.names import name_nodes
from edgenet.exporter.passes.prelu_into_convolution import apply_prelu_in_convolution
from edgenet.exporter.passes.relu_into_int8 import apply_relu_in_int8
from edgenet.exporter.passes.sequences_as_images import keep_sequences_images
from edgenet.exporter.passes.shift_to_threshold import turn_shift_into_threshold
from edgenet.exporter.passes.shortcut_into_convolution import add_in_convolution
from edgenet.exporter.passes.signs_between_layers import pass_signs_between_layers

__all__ = [
    "PASSES",
    "add_in_convolution",
    "apply_passes",
    "apply_prelu_in_convolution",
    "apply_relu_in_int8",
    "fold_into_binary",
    "fold_into_float",
    "keep_sequences_images",
    "name_constants",
    "name_nodes",
    "pass_signs_between_layers",
    "remove_dead_code",
    "take_maxima_in_int8",
    "turn_into_threshold",
    "turn_shift_into_threshold",
]

PASSES: tuple[Callable[[ir.Model], int], ...] = (
    name_nodes,
    keep_sequences_images,
    remove_dead_code,
    fold_into_binary,
    turn_into_threshold,
    turn_shift_into_threshold,
    fold_into_float,
    add_in_convolution,
    apply_prelu_in_convolution,
    pass_signs_between_layers,
    apply_relu_in_int8,
    take_maxima_in_int8,
    remove_dead_code,
    name_constants,
)


def apply_passes(model: ir.Model) -> None:
    """Apply all passes in their order."""
    for rewrite in PASSES:
        rewrite(model)
