"""Let an int8 convolution apply the Relu that follows it."""

import onnx_ir as ir

from edgenet.exporter.passes.graph import is_edgenet, is_operator, only_consumer, remove_after


def apply_relu_in_int8(model: ir.Model) -> int:
    """`Relu(Int8Conv2d(...))` becomes `Int8Conv2dRelu(...)` where nothing else reads the convolution; equal to the bit.

    Returns the number of nodes merged.
    """
    count = 0
    for node in list(model.graph):
        if not is_edgenet(node, "Int8Conv2d"):
            continue
        follower = only_consumer(node.outputs[0])
        if follower is None or not is_operator(follower, "Relu"):
            continue
        node.op_type = "Int8Conv2dRelu"
        remove_after(node, follower)
        count += 1
    return count
