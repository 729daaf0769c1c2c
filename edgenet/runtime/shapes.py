"""Shapes of every value of an ONNX graph at a given input shape, `edgenet` nodes included."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence

import onnx
from onnx import NodeProto, TensorProto, helper

from edgenet.errors import EdgenetError
from edgenet.runtime.operators import DOMAIN
from edgenet.runtime.stand_ins import stand_ins

Shape = list[int | None]
"""One size an axis; None where it is unknown."""

_DATA_LIMIT = 1024  # Elements; larger constants are weights, whose values no shape depends on.


def graph_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    stored = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in stored]


def resolve_inputs(
    graph: onnx.GraphProto, given: Mapping[str, Sequence[int]], metadata: Mapping[str, str]
) -> dict[str, Shape]:
    """Shape of every input: the given one, else the file's own or that of a sample, which its metadata record under
    `edgenet.input_shape` for the first input and `edgenet.NAME_shape` for others; an open batch is 1, other open sizes
    None.

    `given` is by input name, the empty name standing for the first input.
    """
    names = [value.name for value in graph_inputs(graph)]
    unknown = [name for name in given if name and name not in names]
    if unknown:
        raise EdgenetError(f"The file has no input {unknown[0]!r}; its inputs are {', '.join(names)}.")
    named: dict[str, int] = {}
    shapes: dict[str, Shape] = {}
    for index, value in enumerate(graph_inputs(graph)):
        dims = value.type.tensor_type.shape.dim
        own_shape = given.get(value.name) or (given.get("") if index == 0 else None)
        wanted = list(own_shape) if own_shape is not None else None
        recorded = f"edgenet.{'input' if index == 0 else value.name}_shape"
        if wanted is None and recorded in metadata:
            wanted = [1, *json.loads(metadata[recorded])]
        fixed = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
        if wanted is not None:
            agrees = len(wanted) == len(fixed) and all(
                size > 0 and own in (None, size) for own, size in zip(fixed, wanted, strict=True)
            )
            if not agrees:
                raise EdgenetError(
                    f"input shape {wanted} does not fit the file's input '{value.name}' {_written(dims)}; "
                    "give one size for each of its axes, batch included"
                )
        shape: Shape = []
        for axis, (dim, own) in enumerate(zip(dims, fixed, strict=True)):
            size = wanted[axis] if wanted is not None else own
            if size is None and dim.dim_param in named:
                size = named[dim.dim_param]
            if size is None and axis == 0 and index == 0:
                size = 1
            if size is not None and dim.dim_param:
                named.setdefault(dim.dim_param, size)
            shape.append(size)
        shapes[value.name] = shape
    return shapes


def _written(dims: Sequence[onnx.TensorShapeProto.Dimension]) -> str:
    return "[" + ", ".join(str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in dims) + "]"


def infer(model: onnx.ModelProto, sizes: Mapping[str, Shape]) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes and element types of all values. ONNX infers them on a copy without weights, in which standard nodes of
    equal output shape stand in for the nodes that it does not know."""
    copy = onnx.ModelProto()
    copy.ir_version = model.ir_version
    copy.opset_import.extend(model.opset_import)
    graph = copy.graph
    graph.name = "shapes"
    for value in graph_inputs(model.graph):
        kind = value.type.tensor_type.elem_type
        open_sizes = [f"{value.name}_{axis}" if size is None else size for axis, size in enumerate(sizes[value.name])]
        graph.input.append(helper.make_tensor_value_info(value.name, kind, open_sizes))
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= _DATA_LIMIT and tensor.data_location != TensorProto.EXTERNAL:
            graph.initializer.append(tensor)
        else:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    for output in model.graph.output:
        graph.output.add().name = output.name
    graph.node.extend(_with_stand_ins(model.graph.node, graph))
    inferred = onnx.shape_inference.infer_shapes(copy, data_prop=True).graph
    shapes: dict[str, Shape] = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    types: dict[str, int] = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for value in _values(inferred):
        tensor_type = value.type.tensor_type
        types[value.name] = tensor_type.elem_type
        if tensor_type.HasField("shape"):
            dims = tensor_type.shape.dim
            shapes[value.name] = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    return shapes, types


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from graph.input
    yield from graph.value_info
    yield from graph.output
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _values(attribute.g)


def _with_stand_ins(nodes: Sequence[NodeProto], graph: onnx.GraphProto) -> Iterator[NodeProto]:
    for node in nodes:

        def add_weight(shape: list[int], name: str = f"{node.output[0]}/stand_in_weight") -> str:
            graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
            return name

        if node.domain == DOMAIN:
            yield from stand_ins(node, add_weight)
        elif node.op_type == "MatMulNBits":
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            weight = add_weight([attributes["K"], attributes["N"]])
            yield helper.make_node("MatMul", [node.input[0], weight], list(node.output))
        else:
            copy = NodeProto()
            copy.CopyFrom(node)
            for attribute in copy.attribute:
                if attribute.HasField("g"):
                    inner = list(_with_stand_ins(attribute.g.node, graph))
                    del attribute.g.node[:]
                    attribute.g.node.extend(inner)
            yield copy


def walk(
    graph: onnx.GraphProto, shapes: Mapping[str, Shape], repeats: int | None = 1
) -> Iterator[tuple[NodeProto, int | None]]:
    """Every node, inner graphs included, with how often it runs: a Scan's body once a step, a Loop's unknown."""
    for node in graph.node:
        yield node, repeats
        for attribute in node.attribute:
            if attribute.HasField("g"):
                times: int | None = 1
                if node.op_type == "Scan":
                    sequence = shapes.get(node.input[-1])
                    times = sequence[0] if sequence else None
                elif node.op_type == "Loop":
                    times = None
                inner = repeats * times if repeats is not None and times is not None else None
                yield from walk(attribute.g, shapes, inner)
