"""Let an int8 convolution with a Relu take the maxima that follow it."""

import onnx_ir as ir

from edgenet.exporter.passes.graph import is_edgenet, only_consumer, pool_geometry, remove_after


def take_maxima_in_int8(model: ir.Model) -> int:
    """`MaxPool(Int8Conv2dRelu(...))` becomes `Int8Conv2dReluMaxPool(...)` where nothing else reads the convolution.

    What is pooled then never goes through memory. Equal to the bit. Returns the number of nodes merged.
    """
    count = 0
    for node in list(model.graph):
        if not is_edgenet(node, "Int8Conv2dRelu"):
            continue
        follower = only_consumer(node.outputs[0])
        geometry = pool_geometry(follower)
        if follower is None or geometry is None:
            continue
        node.op_type = "Int8Conv2dReluMaxPool"
        for name, values in geometry.items():
            node.attributes[f"pool_{name}"] = ir.AttrInt64s(f"pool_{name}", values)
        remove_after(node, follower)
        count += 1
    return count
