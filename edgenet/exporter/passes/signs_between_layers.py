"""Hand packed signs from one XNOR convolution to the next, in place of floats that are only compared there."""

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgenet.exporter.functions import DOMAIN
from edgenet.exporter.passes.graph import array, convolution_form, is_operator, pool_geometry, replace_constant

_BITS = 8


@dataclass
class _Path:
    """What lies between a convolution and those that read it, which must all compare with equal thresholds."""

    readers: list[ir.Node] = field(default_factory=list)
    pools: list[ir.Node] = field(default_factory=list)
    passed: list[ir.Node] = field(default_factory=list)

    def threshold(self) -> NDArray | None:
        """The threshold of all readers; None where they differ or are computed."""
        limits = [array(reader.inputs[1]) for reader in self.readers]
        first = limits[0] if limits else None
        same = all(limit is not None and first is not None and np.array_equal(limit, first) for limit in limits)
        return first if same else None


def pass_signs_between_layers(model: ir.Model) -> int:
    """A convolution whose result is only compared with thresholds t, by the XNOR convolutions that read it, does so
    itself (`ToSigns`); they take the signs (`FromSigns`). Equal to the bit.

    One MaxPool may lie between, as the largest value of a window is at least t where any value is: it becomes a
    SignMaxPool2d. Returns the number of convolutions that hand on signs.
    """
    count = 0
    for node in list(model.graph):
        form = convolution_form(node)
        if form is None or form.to_signs:
            continue
        path = _Path()
        if not _follow(node.outputs[0], path, may_pool=True):
            continue
        threshold = path.threshold()
        if threshold is None:
            continue
        _rewrite(node, path, threshold)
        count += 1
    return count


def _follow(value: ir.Value, path: _Path, may_pool: bool) -> bool:
    """Whether only XNOR convolutions compare the value; they and what lies between are added to `path`."""
    if value.is_graph_output() or not value.uses():
        return False
    for node, index in value.uses():
        form = convolution_form(node)
        if form is not None and not form.from_signs and index == 0:
            path.readers.append(node)
        elif _hands_on(node) and index == 0 and _follow(node.outputs[0], path, may_pool):
            path.passed.append(node)
        elif may_pool and pool_geometry(node) is not None and _follow(node.outputs[0], path, may_pool=False):
            path.pools.append(node)
        else:
            return False
    return True


def _hands_on(node: ir.Node) -> bool:
    if is_operator(node, "Dropout"):
        return len(node.inputs) < 3 and not any(output.uses() for output in node.outputs[1:])
    return is_operator(node, "Identity")


def _rewrite(producer: ir.Node, path: _Path, threshold: NDArray) -> None:
    replace_constant(producer, len(producer.inputs), threshold, "next_threshold")
    producer.op_type += "ToSigns"
    _hold_signs(producer.outputs[0])
    for pool in path.pools:
        geometry = pool_geometry(pool)
        assert geometry is not None
        pool.domain, pool.op_type = DOMAIN, "SignMaxPool2d"
        pool.attributes.clear()
        pool.attributes.update({name: ir.AttrInt64s(name, values) for name, values in geometry.items()})
        _hold_signs(pool.outputs[0])
    for node in path.passed:
        assert node.graph is not None
        assert node.inputs[0] is not None
        ir.convenience.replace_all_uses_with(node.outputs[0], node.inputs[0])
        node.graph.remove(node, safe=True)
    for reader in path.readers:
        kept = [reader.inputs[0], *reader.inputs[2:]]
        for index, value in enumerate(kept):
            reader.replace_input_with(index, value)
        reader.resize_inputs(len(kept))
        reader.op_type = reader.op_type.replace("XnorConv2d", "XnorConv2dFromSigns")


def _hold_signs(value: ir.Value) -> None:
    """Give a value of floats [N, C, H, W] the type and shape of their packed signs."""
    value.type = ir.TensorType(ir.DataType.UINT8)
    if value.shape is None:
        return
    batch, channels, *size = value.shape
    value.shape = ir.Shape([batch, -(-channels // _BITS) if isinstance(channels, int) else None, *size])
