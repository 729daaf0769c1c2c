"""Turn a BatchNormalization that only XNOR layers read into their thresholds."""

import math

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgenet.exporter.passes.graph import Affine, array, batch_normalization, is_edgenet, is_operator, replace_constant
from edgenet.nn.packing import pack_bits, unpack_bits


def turn_into_threshold(model: ir.Model) -> int:
    """sign(gain * (x - mean) + offset >= t) is sign(x >= mean + (t - offset) / gain), of opposite sense for gain < 0.

    - gain > 0: the threshold is the smallest float32 that is not below the exact one.
    - gain < 0: `x <= T` is `not (x > T)`: the threshold is the smallest float32 above T, and the weights' bits of that
      input channel are flipped. (A NaN, which always gives -1, so gives +1 there.)
    - gain = 0: the sign is a constant: threshold -inf, and flipped bits where the constant is -1.

    Only where every reader of the normalised value is an XNOR layer, for a linear layer also behind a flattening.
    Computed in float64. Returns the number of nodes removed.
    """
    count = 0
    for node in list(model.graph):
        affine = batch_normalization(node)
        source = node.inputs[0] if affine is not None else None
        if affine is None or source is None:
            continue
        readers = _xnor_readers(node.outputs[0])
        if not readers or not all(_has_constants(reader) for reader, _ in readers):
            continue
        for reader, repeats in readers:
            _absorb(reader, affine, repeats)
        ir.convenience.replace_all_uses_with(node.outputs[0], source)
        assert node.graph is not None
        node.graph.remove(node, safe=True)
        count += 1
    return count


def _xnor_readers(value: ir.Value) -> list[tuple[ir.Node, int]]:
    """XNOR layers that read the value, each with the inputs a channel has there; empty where anything else reads it."""
    readers: list[tuple[ir.Node, int]] = []
    if value.is_graph_output():
        return []
    for node, index in value.uses():
        places = _flattened_places(node, value)
        if index == 0 and _reads_channels(node, value):
            readers.append((node, 1))
        elif index == 0 and places is not None:
            behind = _linear_readers(node.outputs[0])
            if not behind:
                return []
            readers += [(reader, places) for reader in behind]
        else:
            return []
    return readers


def _reads_channels(node: ir.Node, value: ir.Value) -> bool:
    """Whether axis 1, which is normalised, is the axis of the layer's thresholds."""
    is_linear = is_edgenet(node, "XnorLinear") and value.shape is not None and value.shape.rank() == 2
    return is_edgenet(node, "XnorConv2d") or is_linear


def _linear_readers(value: ir.Value) -> list[ir.Node]:
    nodes = [node for node, index in value.uses() if index == 0 and is_edgenet(node, "XnorLinear")]
    return nodes if len(nodes) == len(value.uses()) and not value.is_graph_output() else []


def _flattened_places(node: ir.Node, value: ir.Value) -> int | None:
    """Values a channel has where `node` flattens [N, C, ...] to [N, C * places]; None where it does not."""
    if not is_operator(node, "Flatten", "Reshape") or value.shape is None or node.outputs[0].shape is None:
        return None
    before, after = list(value.shape), list(node.outputs[0].shape)
    sizes = [size for size in before[1:] if isinstance(size, int)]
    if len(sizes) != len(before) - 1 or len(after) != 2 or before[0] != after[0]:
        return None
    return math.prod(sizes[1:]) if after[1] == math.prod(sizes) else None


def _has_constants(reader: ir.Node) -> bool:
    return array(reader.inputs[1]) is not None and array(reader.inputs[2]) is not None


def _absorb(reader: ir.Node, affine: Affine, repeats: int) -> None:
    threshold, packed = array(reader.inputs[1]), array(reader.inputs[2])
    assert threshold is not None
    assert packed is not None
    gain, mean, offset = (np.repeat(part, repeats) for part in (affine.gain, affine.mean, affine.offset))
    limits, flipped = _thresholds(gain, mean, offset, threshold.astype(np.float64))
    replace_constant(reader, 1, limits, "threshold")
    if flipped.any():
        shape = tuple(reader.attributes.get_ints("weight_shape"))
        group = reader.attributes.get_int("group", 1)
        signs = unpack_bits(packed, shape)
        # Each group of outputs sees its own slice of the input channels.
        by_group = signs.reshape(group, -1, *shape[1:])
        by_group *= np.where(flipped, -1, 1).astype(np.int8).reshape(group, 1, shape[1], *(1 for _ in shape[2:]))
        replace_constant(reader, 2, pack_bits(by_group.reshape(shape)), "weight")


def _thresholds(
    gain: NDArray[np.float64], mean: NDArray[np.float64], offset: NDArray[np.float64], threshold: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Thresholds on the value before normalisation, and which channels have their sense turned round."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        exact = mean + (threshold - offset) / gain
        rounded = exact.astype(np.float32)
    above = np.nextafter(rounded, np.float32(np.inf))
    at_least = np.where(rounded.astype(np.float64) >= exact, rounded, above)
    greater = np.where(rounded.astype(np.float64) > exact, rounded, above)
    constant = gain == 0
    limits = np.where(constant, np.float32(-np.inf), np.where(gain > 0, at_least, greater))
    flipped = np.where(constant, offset < threshold, gain < 0)
    return limits.astype(np.float32), flipped
