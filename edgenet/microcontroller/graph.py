"""An ONNX file as nodes over values of known shapes, for one sample; what does not depend on the inputs is a constant.

The network is run once (twice where the number of steps of a sequence is open), and every value looked at: sizes and
constants are what they were, and those that were the number of steps both times are the number of steps.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgenet.errors import EdgenetError
from edgenet.runtime.operators import DOMAIN
from edgenet.runtime.session import InferenceSession
from edgenet.runtime.shapes import graph_inputs
from edgenet.runtime.tensors import get_attribute

STEPS = -1
"""A size that is the number of steps of the sequence."""


@dataclass(eq=False)
class Value:
    """What a node reads or makes. `constant` is its content where it does not depend on the inputs."""

    name: str
    shape: tuple[int, ...]
    constant: NDArray | None = None
    producer: "Node | None" = None
    consumers: "list[Node]" = field(default_factory=list)
    is_output: bool = False
    layout: tuple[int, ...] | None = None
    """Of packed signs: (channels, height, width) of an image, pixel by pixel, or (count,) of a row."""
    vocabulary: int | None = None
    """Of an input of tokens, which are whole numbers: how many there are to choose from; None of numbers."""

    @property
    def rows(self) -> int:
        """STEPS where it has a row a step, else 1."""
        return STEPS if STEPS in self.shape else 1

    @property
    def columns(self) -> int:
        """How many numbers there are, of each step where it has steps."""
        return int(np.prod([size for size in self.shape if size != STEPS]))


@dataclass(eq=False)
class Node:
    """One operator of the network."""

    operator: str
    name: str
    inputs: list[Value | None]
    outputs: list[Value]
    attributes: dict[str, Any]

    def input(self, index: int) -> Value:
        value = self.inputs[index]
        assert value is not None
        return value

    def given(self, index: int) -> Value | None:
        """An input that may be left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def array(self, index: int) -> NDArray:
        """A constant input.

        Raises EdgenetError where it is computed.
        """
        value = self.given(index)
        if value is None or value.constant is None:
            raise unsupported(self, f"its input {index} is computed, where C needs a constant")
        return value.constant

    def get(self, attribute: str, default: Any) -> Any:
        return self.attributes.get(attribute, default)


@dataclass
class Graph:
    """The nodes that compute the outputs, in order."""

    nodes: list[Node]
    inputs: list[Value]
    outputs: list[Value]
    metadata: dict[str, str]
    has_steps: bool
    recorded_steps: int
    """Steps of the sample that the file records; 1 where there are none."""


def unsupported(node: Node, why: str) -> EdgenetError:
    """The error for a node that cannot be written in C."""
    return EdgenetError(f"layer {node.name} ({node.operator}) cannot be written in C: {why}")


def read_graph(model: onnx.ModelProto) -> Graph:
    """Read a network for one sample.

    Raises:
        EdgenetError: it does not run, has more than one open size besides the batch, or a size that depends on the
            number of steps in another way than being it.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if json.loads(metadata.get("edgenet.preprocessing", "{}")).get("embedded"):
        raise EdgenetError(
            "the file's preprocessing is embedded, and C takes samples that have been preprocessed; export it without "
            "--embed-preprocessing"
        )
    recorded = json.loads(metadata.get("edgenet.input_shape", "[]"))
    axes = _open_axes(model)
    steps_axis = next((axis for axis, open_ in axes[next(iter(axes))] if open_), None)
    has_steps = any(open_ for pairs in axes.values() for _, open_ in pairs)
    steps = recorded[steps_axis - 1] if steps_axis and recorded else 8
    looks = [_run(model, axes, count, recorded) for count in ([steps + 1, steps + 2] if has_steps else [1])]
    values = {name: _value(name, [look[name] for look in looks], steps + 1) for name in looks[0]}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name, content in constants.items():
        values[name] = Value(name, content.shape, content)
    fed = [value.name for value in graph_inputs(model.graph)]
    for name in fed:
        values[name].vocabulary = 0 if looks[0][name].dtype == np.int64 else None
    nodes = []
    computed = set(fed)
    for number, proto in enumerate(model.graph.node):
        inputs = [values[name] if name else None for name in proto.input]
        outputs = [values[name] for name in proto.output if name]
        # A shape is known beforehand, whatever it is of.
        depends = proto.op_type != "Shape" and any(name in computed for name in proto.input)
        if not depends:
            for output in outputs:
                output.constant = _fixed(output.name, [look[output.name] for look in looks], steps + 1)
            continue
        computed.update(proto.output)
        attributes = {a.name: _decoded(get_attribute(proto, a.name)) for a in proto.attribute if not a.HasField("g")}
        name = proto.name or f"{proto.op_type}_{number}"
        node = Node(proto.op_type, name, inputs, outputs, attributes)
        nodes.append(node)
    outputs = [values[output.name] for output in model.graph.output]
    for output in outputs:
        output.is_output = True
    return Graph(
        needed(nodes, outputs), [values[name] for name in fed], outputs, metadata, has_steps, steps if has_steps else 1
    )


def _decoded(attribute: Any) -> Any:
    if isinstance(attribute, list | tuple):
        return [_decoded(item) for item in attribute]
    return attribute.decode() if isinstance(attribute, bytes) else attribute


def connect(nodes: Sequence[Node]) -> None:
    """Set the producer and the consumers of every value anew."""
    for node in nodes:
        for value in [*node.inputs, *node.outputs]:
            if value is not None:
                value.producer, value.consumers = None, []
    for node in nodes:
        for value in node.inputs:
            if value is not None:
                value.consumers.append(node)
        for value in node.outputs:
            value.producer = node


def _open_axes(model: onnx.ModelProto) -> dict[str, list[tuple[int, bool]]]:
    """By input: the axes whose sizes are open, and whether they are steps, not the batch."""
    found: dict[str, list[tuple[int, bool]]] = {}
    batch, names = "", set()
    for index, value in enumerate(graph_inputs(model.graph)):
        found[value.name] = []
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.HasField("dim_value"):
                continue
            if index == 0 and axis == 0:
                batch = dim.dim_param
            is_steps = not (index == 0 and axis == 0) and dim.dim_param != batch
            found[value.name].append((axis, is_steps))
            if is_steps:
                names.add(dim.dim_param)
    if len(names) > 1:
        raise EdgenetError(
            f"the sizes {', '.join(sorted(names))} are open; C can be written where one, the number of steps, is"
        )
    return found


def _run(
    model: onnx.ModelProto, axes: Mapping[str, list[tuple[int, bool]]], steps: int, recorded: Sequence[int]
) -> dict[str, NDArray]:
    """Every value of the network in one run on one random sample."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {output.name for output in copy.graph.output}
    for node in copy.graph.node:
        for name in node.output:
            if name and name not in known:
                copy.graph.output.add().name = name
    generator = np.random.default_rng(0)
    feeds: dict[str, NDArray] = {}
    for value in graph_inputs(copy.graph):
        open_axes = dict(axes[value.name])
        dims = value.type.tensor_type.shape.dim
        shape = [
            (steps if open_axes[axis] else 1) if axis in open_axes else dim.dim_value for axis, dim in enumerate(dims)
        ]
        kind = value.type.tensor_type.elem_type
        if kind not in (onnx.TensorProto.FLOAT, onnx.TensorProto.INT64):
            raise EdgenetError(f"input {value.name} is neither float32 nor int64 (tokens), so C cannot be written")
        # Every vocabulary has a token 0.
        is_tokens = kind == onnx.TensorProto.INT64
        feeds[value.name] = np.zeros(shape, np.int64) if is_tokens else generator.standard_normal(shape, np.float32)
    # Names of many values that are handed out are no reason for warnings.
    session = InferenceSession(copy.SerializeToString(), native=False)
    names = [value.name for value in session.outputs]
    return {**feeds, **dict(zip(names, session.run(feeds), strict=True))}


def _value(name: str, found: Sequence[NDArray], steps: int) -> Value:
    return Value(name, tuple(_sizes(name, [list(array.shape) for array in found], steps)))


def _sizes(name: str, found: Sequence[Sequence[int]], steps: int) -> list[int]:
    first, last = found[0], found[-1]
    if len(first) != len(last):
        raise EdgenetError(f"the rank of {name} depends on the number of steps, so C cannot be written")
    sizes = []
    for a, b in zip(first, last, strict=True):
        if a != b and (a, b) != (steps, steps + 1):
            raise EdgenetError(f"the size of {name} depends on the number of steps, so C cannot be written")
        sizes.append(a if a == b else STEPS)
    return sizes


def _fixed(name: str, found: Sequence[NDArray], steps: int) -> NDArray:
    """A constant; numbers of it that depend on the steps may only be their number, STEPS, or the last one's, -1."""
    first, last = found[0], found[-1]
    if first.shape == last.shape and np.array_equal(first, last):
        return first
    if first.dtype == bool or first.shape != last.shape:
        # A row a step; what is the same in every row is a constant all the same.
        values = np.unique(first)
        return values[:1] if len(values) == 1 and np.array_equal(values, np.unique(last)) else np.array([])
    if first.dtype.kind == "i" and np.isin(last - first, (0, 1)).all():
        grown = last != first
        if np.isin(first[grown], (steps, steps - 1)).all():
            return np.where(grown, -1, first)
    raise EdgenetError(f"{name} depends on the number of steps, so C cannot be written")


def needed(nodes: Sequence[Node], outputs: Sequence[Value]) -> list[Node]:
    """The nodes without which the outputs cannot be computed."""
    wanted = set(map(id, outputs))
    kept = []
    for node in reversed(nodes):
        if any(id(output) in wanted for output in node.outputs):
            kept.append(node)
            wanted.update(id(value) for value in node.inputs if value is not None)
    kept.reverse()
    return kept


def load(file: str | os.PathLike[str] | bytes) -> onnx.ModelProto:
    """Read an .onnx file of ours.

    Raises:
        EdgenetError: it is none.
    """
    try:
        return onnx.load_model_from_string(file) if isinstance(file, bytes) else onnx.load(os.fspath(file))
    except FileNotFoundError as error:
        raise EdgenetError(f"{os.fspath(file)!s} does not exist; name an exported .onnx file") from error
    except Exception as error:  # protobuf's own classes differ by version
        name = "the given bytes" if isinstance(file, bytes) else os.fspath(file)
        raise EdgenetError(f"{name!s} cannot be read as ONNX; name an exported .onnx file") from error


__all__ = ["DOMAIN", "STEPS", "Graph", "Node", "Value", "connect", "helper", "load", "read_graph", "unsupported"]
