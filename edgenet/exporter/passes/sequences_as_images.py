"""Make a sequence the image of one row that binary convolutions take it for, and let it stay one to the next."""

import numpy as np
import onnx_ir as ir

from edgenet.exporter.passes.graph import array, is_operator, replace_constant

_BY_NUMBER = (
    "Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Tanh", "Elu", "Selu", "Gelu", "HardSigmoid", "HardSwish", "Mish",
    "Softplus", "Erf", "Sqrt", "Abs", "Neg", "Sign", "Identity", "Dropout", "Add", "Sub", "Mul", "Div", "Max", "Min",
)  # fmt: skip
_POOLS = ("MaxPool", "AveragePool")
_REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum")
_ROWS = 2  # the axis of an image that a sequence lacks


def keep_sequences_images(model: ir.Model) -> int:
    """`Conv(sequence)` becomes `Squeeze(Conv(Unsqueeze(sequence)))`, `f(Squeeze(image))` then `Squeeze(f(image))`, for
    functions of each number or channel, pooling, and reductions over all steps, and `Unsqueeze(Squeeze(image))` the
    image.

    So the passes after this one find, between the convolutions over a sequence, what they find between those over
    images. ONNX Runtime's float convolutions gain by it as well: they are tuned for images. Returns the number of nodes
    that take images since.
    """
    count = 0
    for node in list(model.graph):
        if is_operator(node, "Conv"):
            count += _lift_convolution(node)
        elif is_operator(node, *_REDUCTIONS):
            count += _lift_reduction(node)
        elif is_operator(node, "Unsqueeze") and _axis(node) in (_ROWS, -2):
            count += _skip(node)
        elif _is_liftable(node):
            count += _lift(node)
    return count


def _skip(unsqueeze: ir.Node) -> bool:
    """Have readers of an image that was squeezed and unsqueezed read the image itself; whether they do."""
    squeeze = _squeeze(unsqueeze.inputs[0])
    image = squeeze.inputs[0] if squeeze is not None else None
    if image is None:
        return False
    ir.convenience.replace_all_uses_with(unsqueeze.outputs[0], image, replace_graph_outputs=True)
    return True


def _squeeze(value: ir.Value | None) -> ir.Node | None:
    """The node that makes a value of an image of one row; None for any other value."""
    producer = value.producer() if value is not None else None
    if producer is None or not is_operator(producer, "Squeeze") or _axis(producer) not in (_ROWS, -2):
        return None
    image = producer.inputs[0]
    is_row = image is not None and image.shape is not None and image.shape.rank() == 4 and image.shape[_ROWS] == 1
    return producer if is_row else None


def _axis(node: ir.Node) -> int | None:
    axes = array(node.inputs[1]) if len(node.inputs) > 1 else None
    return int(axes.item()) if axes is not None and axes.size == 1 else None


def _is_liftable(node: ir.Node) -> bool:
    """Whether a node does to an image of one row what it does to the sequence, given constants of one axis more."""
    if len(node.outputs) != 1 or node.domain != "":
        return False
    if node.op_type in _POOLS:
        kernel = node.attributes.get_ints("kernel_shape", ())
        return len(kernel) == 1 and node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
    return node.op_type == "BatchNormalization" or node.op_type in _BY_NUMBER


def _lift(node: ir.Node) -> bool:
    """Have a node work on images where all that it computes with is constant or squeezed from such; whether it does."""
    squeezes = {index: squeeze for index, value in enumerate(node.inputs) if (squeeze := _squeeze(value)) is not None}
    constants = {index: array(value) for index, value in enumerate(node.inputs) if value and index not in squeezes}
    if not squeezes or any(constant is None for constant in constants.values()):
        return False
    for index, squeeze in squeezes.items():
        node.replace_input_with(index, squeeze.inputs[0])
    for index, constant in constants.items():
        # Vectors and numbers meet the same axes as before, and batch normalisation takes its own by channel.
        if constant is not None and constant.ndim > 1:
            role = "slope" if node.op_type == "PRelu" else "constant"
            replace_constant(node, index, np.expand_dims(constant, -2), role)
    if node.op_type in _POOLS:
        _lift_windows(node)
    _squeeze_after(node, next(iter(squeezes.values())).inputs[1])
    return True


def _lift_convolution(node: ir.Node) -> bool:
    """Have a convolution of constant weights over a sequence work on an image; whether it does."""
    x, weight = node.inputs[0], array(node.inputs[1])
    plain = node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
    if x is None or weight is None or weight.ndim != 3 or not plain:
        return False
    squeeze = _squeeze(x)
    image, axes = squeeze.inputs[:2] if squeeze is not None else _unsqueeze_before(node, x)
    node.replace_input_with(0, image)
    replace_constant(node, 1, np.expand_dims(weight, _ROWS), "weight")
    _lift_windows(node)
    _squeeze_after(node, axes)
    return True


def _lift_reduction(node: ir.Node) -> bool:
    """Have a reduction over all steps of a sequence go over all pixels of its image; whether it does."""
    squeeze = _squeeze(node.inputs[0])
    if squeeze is None or _axis(node) not in (_ROWS, -1):  # the steps are the last of a sequence's three axes
        return False
    node.replace_input_with(0, squeeze.inputs[0])
    replace_constant(node, 1, np.array([_ROWS, _ROWS + 1]), "axes")
    if node.attributes.get_int("keepdims", 1):
        _squeeze_after(node, squeeze.inputs[1])
    return True


def _lift_windows(node: ir.Node) -> None:
    """Give the windows of a convolution or a pooling one row."""
    attributes = node.attributes
    for name in ("kernel_shape", "strides", "dilations"):
        if name in attributes:
            attributes[name] = ir.AttrInt64s(name, [1, *attributes.get_ints(name)])
    if "pads" in attributes:
        before, after = attributes.get_ints("pads")
        attributes["pads"] = ir.AttrInt64s("pads", [0, before, 0, after])


def _unsqueeze_before(node: ir.Node, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Put a node before another that makes an image of x; returns the image and the axis that it gains."""
    assert node.graph is not None
    tensor = ir.tensor(np.array([_ROWS]), name=f"{node.name}.axis")
    axes = ir.Value(name=tensor.name, const_value=tensor, shape=ir.Shape([1]), type=ir.TensorType(tensor.dtype))
    node.graph.register_initializer(axes)
    before = ir.Node("", "Unsqueeze", [x, axes], name=f"{node.name}/unsqueeze")
    image = before.outputs[0]
    image.name, image.type, image.shape = f"{node.name}.image", x.type, _with_row(x.shape)
    node.graph.insert_before(node, before)
    return image, axes


def _squeeze_after(node: ir.Node, axes: ir.Value | None) -> None:
    """Squeeze what a node gives, for those that read it."""
    assert node.graph is not None
    image = node.outputs[0]
    after = ir.Node("", "Squeeze", [image, axes], name=f"{node.name}/squeeze")
    sequence = after.outputs[0]
    sequence.name, sequence.shape, sequence.type = image.name, image.shape, image.type
    ir.convenience.replace_all_uses_with(image, sequence, replace_graph_outputs=True)
    after.replace_input_with(0, image)
    image.name, image.shape = f"{image.name}_image", _with_row(image.shape)
    node.graph.insert_after(node, after)


def _with_row(shape: ir.Shape | None) -> ir.Shape | None:
    return None if shape is None else ir.Shape([*shape[:_ROWS], 1, *shape[_ROWS:]])
