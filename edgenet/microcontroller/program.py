"""The C program of a network while it is put together: constants, functions, calls, memory."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.microcontroller.graph import STEPS, Graph, Node, Value, load, read_graph, unsupported
from edgenet.microcontroller.preparation import prepare
from edgenet.microcontroller.storage import Buffer, Memory, Place
from edgenet.microcontroller.text import constant_array, identifier

Argument = Place | Buffer | str
_NEEDED = {
    "mismatches_within": ["mismatches"], "quantize_row": ["quantize"], "quantize_image": ["quantize"],
    "quantize_floats": ["quantize"], "pack_rows": ["pack_row"],
    "int8_block1": ["int8_block"],
}  # fmt: skip


@dataclass(frozen=True)
class RowFunction:
    """A layer over rows that whoever reads it calls, row by row."""

    name: str
    source: Place
    stride: int
    scratch: tuple[Buffer, ...]


@dataclass
class Program:
    """What the nodes have become so far."""

    graph: Graph
    name: str
    memory: Memory = field(default_factory=Memory)
    constants: dict[str, NDArray] = field(default_factory=dict)
    kernels: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    calls: list[tuple[str, list[Argument]]] = field(default_factory=list)
    places: dict[int, Place] = field(default_factory=dict)
    row_functions: dict[int, RowFunction] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    moment: int = 0
    steps: int = 1
    """The most steps that there is memory for."""

    @property
    def memory_bytes(self) -> int:
        """Static memory between the layers, not counting inputs and outputs, which are the caller's."""
        return self.memory.plan(self.steps)

    def room(self, value: Value) -> int:
        """How many numbers an input or output has at most."""
        return value.columns * (self.steps if value.rows == STEPS else 1)

    def kernel(self, *names: str) -> None:
        """Have functions of the kernel library, with those that they need."""
        for name in names:
            self.kernel(*_NEEDED.get(name, []))
            if name not in self.kernels:
                self.kernels.append(name)

    def constant(self, content: NDArray, hint: str) -> str:
        """Store a constant array and return its name; equal ones are stored once."""
        for name, other in self.constants.items():
            if other.dtype == content.dtype and np.array_equal(other.ravel(), content.ravel()):
                return name
        name, number = identifier(hint), 1
        while name in self.constants:
            number += 1
            name = f"{identifier(hint)}_{number}"
        self.constants[name] = content
        return name

    def function_name(self, node: Node) -> str:
        name = base = f"layer_{identifier(node.name)}"
        number = 1
        while any(f" {name}(" in text for text in self.functions):
            number += 1
            name = f"{base}_{number}"
        return name

    def is_known(self, value: Value) -> bool:
        """Whether a value has been computed by now."""
        return id(value) in self.places or value.constant is not None

    def read(self, value: Value) -> Place:
        """Where a value lies; it stays there until now at least."""
        if id(value) not in self.places:
            assert value.constant is not None, value.name
            content = np.ascontiguousarray(value.constant, np.float32)
            name = self.constant(content, value.name)
            self.places[id(value)] = Place(self.memory.add(Buffer(name, "float", content.size, pointer=name)))
        place = self.places[id(value)]
        place.buffer.use(self.moment)
        return place

    def write(self, value: Value, kind: str = "float", count: int | None = None) -> Place:
        """Find room for what a layer makes."""
        pointer = identifier(value.name) if value.is_output else None
        count = value.columns if count is None else count
        buffer = self.memory.add(Buffer(value.name, kind, count, value.rows == STEPS, pointer))
        buffer.use(self.moment)
        self.places[id(value)] = Place(buffer)
        return self.places[id(value)]

    def write_signs(self, value: Value, channels: int, height: int, width: int) -> Place:
        """Find room for an image of packed signs, as bytes; those that fill up the last word are set to 0."""
        size = height * width * ((channels + 7) // 8)
        place = replace(self.write(value, "bits", -(-size // 4)), as_bytes=True)
        if size % 4:
            self.call("memset", [replace(place, end=str(size)), "0", str(-size % 4)])
        return place

    def scratch(self, kind: str, count: int) -> Buffer:
        """Room that a layer needs while it runs."""
        buffer = self.memory.add(Buffer("scratch", kind, count))
        buffer.use(self.moment)
        return buffer

    def alias(self, value: Value, place: Place) -> None:
        """Let a value lie where another does already; what is handed out is copied there."""
        self.places[id(value)] = place
        if value.is_output:
            place.buffer.use(self.moment)
            target = self.write(value)
            count = f"{value.columns} * (size_t)steps" if value.rows == STEPS else str(value.columns)
            self.call("memcpy", [target, place, f"{count} * sizeof(float)"])

    def call(self, function: str, arguments: Sequence[Argument]) -> None:
        """Add a call to the program."""
        self.calls.append((function, list(arguments)))

    def rendered_calls(self) -> list[str]:
        """The calls as C, once memory is planned."""
        return [
            f"{function}({', '.join(a if isinstance(a, str) else a.expression for a in arguments)});"
            for function, arguments in self.calls
        ]


Lowering = Callable[[Program, Node], None]


def compile_network(
    file: str | os.PathLike[str] | bytes | onnx.ModelProto, name: str | None = None, steps: int | None = None
) -> Program:
    """Turn an exported .onnx file into a C program.

    Args:
        file: the file, its bytes, or the model read already.
        name: what the C function is to be called; else the network's own name.
        steps: the most steps of a sequence that there is to be memory for; else those of the sample that the file
            records.

    Raises:
        EdgenetError: the file cannot be read, or a layer cannot be written in C; the message names it.
    """
    from edgenet.microcontroller import (
        convolution,
        elementwise,
        embedding,
        int8_convolution,
        linear,
        movement,
        pooling,
        recurrent,
    )

    graph = read_graph(file if isinstance(file, onnx.ModelProto) else load(file))
    prepare(graph)
    if steps is not None and steps < 1:
        raise EdgenetError(f"steps is {steps}; give 1 or more")
    program = Program(graph, identifier(name or graph.metadata.get("edgenet.model", "network")))
    program.steps = (steps or graph.recorded_steps) if graph.has_steps else 1
    lowerings: dict[str, Lowering] = {}
    for room in (convolution, int8_convolution, linear, recurrent, embedding, elementwise, pooling, movement):
        lowerings.update(room.LOWERINGS)
    for value in graph.inputs:
        kind = "float" if value.vocabulary is None else "int32"
        if value.vocabulary is not None:
            program.kernel("tokens_known")
        buffer = Buffer(value.name, kind, value.columns, value.rows == STEPS, identifier(value.name))
        program.places[id(value)] = Place(program.memory.add(buffer))
    for node in graph.nodes:
        if id(node) in program.done:
            continue
        lowering = lowerings.get(node.operator)
        if lowering is None:
            raise unsupported(node, f"there is no C for this operator; there is for {', '.join(sorted(lowerings))}")
        program.moment += 1
        lowering(program, node)
    for value in graph.outputs:
        if value.producer is None:
            raise EdgenetError(f"output {value.name} is an input or a constant; there is nothing to write in C")
    program.memory.plan(program.steps)
    return program


def definitions(program: Program) -> str:
    """The constants as C."""
    return "\n".join(constant_array(name, content) for name, content in program.constants.items())
