"""Fold a BatchNormalization that follows a float convolution or linear layer into its weights and bias."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgenet.exporter.passes.graph import (
    Affine,
    array,
    batch_normalization,
    is_operator,
    only_consumer,
    remove_after,
    replace_constant,
)


def fold_into_float(model: ir.Model) -> int:
    """`gain * (W x + b - mean) + offset` becomes `(gain * W) x + (gain * (b - mean) + offset)`, computed in float64.

    For Conv, Gemm and a MatMul of two axes by constant weights, where nothing else reads the result; the MatMul becomes
    a Gemm. Returns the number of nodes folded.
    """
    count = 0
    for node in list(model.graph):
        follower = only_consumer(node.outputs[0]) if node.outputs else None
        affine = batch_normalization(follower)
        if follower is None or affine is None:
            continue
        weight = array(node.inputs[1]) if len(node.inputs) > 1 else None
        axis = _output_axis(node, weight)
        if weight is None or axis is None:
            continue
        _fold(node, weight, axis, affine)
        remove_after(node, follower)
        count += 1
    return count


def _output_axis(node: ir.Node, weight: NDArray | None) -> int | None:
    """The weight's axis of outputs; None where the node is not one to fold into."""
    if weight is None:
        return None
    if is_operator(node, "Conv"):
        return 0 if len(node.inputs) < 3 or array(node.inputs[2]) is not None else None
    if is_operator(node, "MatMul"):
        shape = node.outputs[0].shape
        return 1 if shape is not None and shape.rank() == 2 and weight.ndim == 2 else None
    if is_operator(node, "Gemm"):
        plain = all(node.attributes.get_float(name, 1.0) == 1.0 for name in ("alpha", "beta"))
        bias = array(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(1)
        if not plain or bias is None or bias.ndim > 1:
            return None
        return 0 if node.attributes.get_int("transB", 0) else 1
    return None


def _fold(node: ir.Node, weight: NDArray, axis: int, affine: Affine) -> None:
    spread = [-1 if index == axis else 1 for index in range(weight.ndim)]
    bias = array(node.inputs[2]) if len(node.inputs) > 2 else None
    folded = affine.bias if bias is None else affine.gain * (bias.astype(np.float64) - affine.mean) + affine.offset
    if is_operator(node, "MatMul"):
        node.op_type = "Gemm"
    replace_constant(node, 1, (weight * affine.gain.reshape(spread)).astype(np.float32), "weight")
    replace_constant(node, 2, folded.astype(np.float32), "bias")
