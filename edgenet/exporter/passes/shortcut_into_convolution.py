"""Let an XNOR convolution add the shortcut that an Add after it adds."""

import onnx_ir as ir

from edgenet.exporter.passes.graph import (
    convolution_form,
    is_operator,
    move_before,
    only_consumer,
    remove_after,
    same_known_shape,
)


def add_in_convolution(model: ir.Model) -> int:
    """`Add(XnorConv2d(x, ...), residual)` becomes `XnorConv2dAdd(x, ..., residual)`, equal to the bit.

    Only where nothing else reads the convolution, and the residual's shape is known to be the very same: nothing may be
    broadcast. Returns the number of nodes merged.
    """
    count = 0
    for node in list(model.graph):
        form = convolution_form(node)
        if form is None or form.add or form.prelu or form.to_signs:
            continue
        result = node.outputs[0]
        follower = only_consumer(result)
        if follower is None or not is_operator(follower, "Add"):
            continue
        residual = next(value for value in follower.inputs if value is not result)
        if residual is None or not same_known_shape(result, residual):
            continue
        move_before(node, follower)
        node.op_type += "Add"
        node.resize_inputs(len(node.inputs) + 1)
        node.replace_input_with(len(node.inputs) - 1, residual)
        remove_after(node, follower)
        count += 1
    return count
