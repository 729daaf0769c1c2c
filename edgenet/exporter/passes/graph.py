"""What the passes share: reading and replacing constants, and batch normalisation as an affine map."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgenet.exporter.functions import DOMAIN, ConvolutionForm


def is_operator(node: ir.Node | None, *names: str, domain: str = "") -> bool:
    return node is not None and node.domain == domain and node.op_type in names


def is_edgenet(node: ir.Node | None, *names: str) -> bool:
    """Whether a node is one of the `edgenet` operators `names`."""
    return is_operator(node, *names, domain=DOMAIN)


def convolution_form(node: ir.Node | None) -> ConvolutionForm | None:
    """The form of an XNOR convolution; None for any other node."""
    return ConvolutionForm.of(node.op_type) if node is not None and node.domain == DOMAIN else None


def array(value: ir.Value | None) -> NDArray | None:
    """The constant behind a value, None where it is computed."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def only_consumer(value: ir.Value) -> ir.Node | None:
    """The one node that reads a value, None where there are several or the graph hands the value out."""
    consumers = [node for node, _ in value.uses()]
    return consumers[0] if len(consumers) == 1 and not value.is_graph_output() else None


def replace_constant(node: ir.Node, index: int, content: NDArray, role: str) -> None:
    """Give one node's input a new constant; a tensor that others share stays as it is."""
    graph = node.graph
    assert graph is not None
    old = node.inputs[index] if index < len(node.inputs) else None
    name = f"{node.name}.{role}"
    if old is not None and old.name == name and len(old.uses()) == 1:
        del graph.initializers[name]
    suffix = 0
    while name in graph.initializers:
        suffix += 1
        name = f"{node.name}.{role}_{suffix}"
    tensor = ir.tensor(np.ascontiguousarray(content), name=name)
    value = ir.Value(name=name, const_value=tensor, shape=ir.Shape(content.shape), type=ir.TensorType(tensor.dtype))
    graph.register_initializer(value)
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


@dataclass(frozen=True)
class Affine:
    """A batch normalisation at inference: `y = gain * (x - mean) + offset` by channel, float64."""

    gain: NDArray[np.float64]
    mean: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def bias(self) -> NDArray[np.float64]:
        """What is added where the map is written `gain * x + bias`."""
        return self.offset - self.gain * self.mean


def batch_normalization(node: ir.Node | None) -> Affine | None:
    """The affine map of a BatchNormalization node with constant parameters; None for any other node."""
    if node is None or not is_operator(node, "BatchNormalization"):
        return None
    constants = [array(value) for value in node.inputs[1:5]]
    if any(constant is None for constant in constants) or len(node.outputs) > 1:
        return None
    gamma, beta, mean, variance = (np.asarray(constant, np.float64) for constant in constants)
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    return Affine(gamma / np.sqrt(variance + epsilon), mean, beta)


def same_known_shape(left: ir.Value, right: ir.Value) -> bool:
    """Whether two values are of one shape in every run, as far as the graph tells; an open axis counts by its name."""
    if left.shape is None or right.shape is None or left.shape.rank() != right.shape.rank():
        return False
    pairs = zip(left.shape, right.shape, strict=True)
    return all(a == b and (isinstance(a, int) or a.value is not None) for a, b in pairs)


def move_before(node: ir.Node, place: ir.Node) -> None:
    """Let `node` run just before `place`, where everything that either reads has been computed."""
    assert node.graph is not None
    graph = node.graph
    graph.remove(node)
    graph.insert_before(place, node)


def remove_after(node: ir.Node, follower: ir.Node) -> None:
    """Take `follower` out of the graph; `node`, which feeds it, gives its result instead."""
    result, old = node.outputs[0], follower.outputs[0]
    assert node.graph is not None
    result.name, result.shape, result.type = old.name, old.shape, old.type
    ir.convenience.replace_all_uses_with(old, result, replace_graph_outputs=True)
    node.graph.remove(follower, safe=True)


def pool_geometry(node: ir.Node | None) -> dict[str, tuple[int, ...]] | None:
    """kernel_shape, strides and pads of a MaxPool over images that has nothing else to it; None for any other node."""
    if node is None or not is_operator(node, "MaxPool") or len(node.outputs) > 1:
        return None
    attributes = node.attributes
    kernel = tuple(attributes.get_ints("kernel_shape", ()))
    pads = tuple(attributes.get_ints("pads", (0, 0, 0, 0)))
    plain = (
        len(kernel) == 2
        and attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
        and attributes.get_int("ceil_mode", 0) == 0
        and set(attributes.get_ints("dilations", (1, 1))) == {1}
        and all(pad < kernel[index % 2] for index, pad in enumerate(pads))
    )
    if not plain:
        return None
    return {"kernel_shape": kernel, "strides": tuple(attributes.get_ints("strides", (1, 1))), "pads": pads}
