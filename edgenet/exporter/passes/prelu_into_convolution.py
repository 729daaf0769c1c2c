"""Let an XNOR convolution apply the PRelu or LeakyRelu that follows it."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgenet.exporter.passes.graph import (
    array,
    convolution_form,
    is_operator,
    only_consumer,
    remove_after,
    replace_constant,
)


def apply_prelu_in_convolution(model: ir.Model) -> int:
    """`PRelu(XnorConv2d(x, ...), slope)` becomes `XnorConv2dPrelu(x, ..., slope)`, one slope an output channel.

    Equal but for the sign of a zero. Only where nothing else reads the convolution, and the slope is constant. Returns
    the number of nodes merged.
    """
    count = 0
    for node in list(model.graph):
        form = convolution_form(node)
        if form is None or form.prelu or form.to_signs:
            continue
        follower = only_consumer(node.outputs[0])
        slope = _slope(follower, node.attributes.get_ints("weight_shape")[0])
        if follower is None or slope is None:
            continue
        node.op_type += "Prelu"
        replace_constant(node, len(node.inputs), slope, "slope")
        remove_after(node, follower)
        count += 1
    return count


def _slope(node: ir.Node | None, channels: int) -> NDArray[np.float32] | None:
    """The slope [channels] of a node that multiplies the negative values of each channel; None for any other node."""
    if node is None or not is_operator(node, "PRelu", "LeakyRelu"):
        return None
    if node.op_type == "LeakyRelu":
        return np.full(channels, node.attributes.get_float("alpha", 0.01), np.float32)
    slope = array(node.inputs[1])
    if slope is None:
        return None
    by_channel = slope.ndim >= 3 and slope.shape[-3:] == (channels, 1, 1) and slope.size == channels
    if not by_channel and slope.size != 1:
        return None
    return np.broadcast_to(slope.reshape(-1), (channels,)).astype(np.float32)
