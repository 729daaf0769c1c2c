"""Fold a BatchNormalization that follows an edgenet convolution or linear layer into its scale and bias."""

import numpy as np
import onnx_ir as ir

from edgenet.exporter.passes.graph import (
    array,
    batch_normalization,
    is_edgenet,
    only_consumer,
    remove_after,
    replace_constant,
)

_CONVOLUTIONS = ("XnorConv2d", "BwnConv2d", "BwnConv2dInt8", "Int8Conv2d")
_LINEARS = ("XnorLinear", "BwnLinear", "Int8Linear")


def fold_into_binary(model: ir.Model) -> int:
    """`gain * (scale * dot + bias - mean) + offset` becomes `(gain * scale) * dot + (gain * (bias - mean) + offset)`.

    Only where nothing else reads the layer's result, and the normalised axis is the layer's outputs: axis 1 is that of
    a convolution, and of a linear layer with two axes. Computed in float64. Returns the number of nodes folded.
    """
    count = 0
    for node in list(model.graph):
        if not is_edgenet(node, *_CONVOLUTIONS, *_LINEARS):
            continue
        result = node.outputs[0]
        if is_edgenet(node, *_LINEARS) and (result.shape is None or result.shape.rank() != 2):
            continue
        follower = only_consumer(result)
        affine = batch_normalization(follower)
        scale, bias = array(node.inputs[-2]), array(node.inputs[-1])
        if follower is None or affine is None or scale is None or bias is None:
            continue
        last = len(node.inputs) - 1
        folded_bias = affine.gain * (bias.astype(np.float64) - affine.mean) + affine.offset
        replace_constant(node, last - 1, (affine.gain * scale).astype(np.float32), "scale")
        replace_constant(node, last, folded_bias.astype(np.float32), "bias")
        remove_after(node, follower)
        count += 1
    return count
