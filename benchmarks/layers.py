"""The layers that are measured: shapes of well-known networks, and each layer's models, binary and full precision."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.graphs import UINT8, Graph

CHAIN = 5
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Scheme:
    """Arithmetic of a layer of ours: what weights and activations are."""

    name: str
    """`xnor`, `bwn` or `int8`, as a row of the results says it."""
    activations: str | None = None
    """`int8` for binary weights on 8-bit activations, else None."""

    @property
    def label(self) -> str:
        return f"{self.name}-{self.activations}" if self.activations else self.name


XNOR, BWN, BWN_INT8, INT8 = Scheme("xnor"), Scheme("bwn"), Scheme("bwn", "int8"), Scheme("int8")


class Layer(ABC):
    """An operator at a shape."""

    op: str
    shape: str
    macs: int
    weights: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    schemes: tuple[Scheme, ...]

    @property
    def name(self) -> str:
        """What `--only` looks in."""
        return f"{self.op}-{self.shape}"

    @property
    def value_bytes(self) -> int:
        """Bytes of the floats that come in and go out."""
        return 4 * (math.prod(self.input_shape) + math.prod(self.output_shape))

    def bytes_held(self, weight_bits: int, value_bytes: float = 4) -> float:
        """Bytes of the buffers that are read: weights, input and output."""
        return self.weights * weight_bits / 8 + value_bytes * self.value_bytes / 4

    def bytes_moved(self, weight_bits: int, value_bytes: float = 4) -> float:
        """The least bytes that have to move: all of those, once."""
        return self.bytes_held(weight_bits, value_bytes)

    def feeds(self) -> dict[str, np.ndarray]:
        """Return the input of the models."""
        return {"x": np.random.default_rng(1).standard_normal(self.input_shape, np.float32)}

    @abstractmethod
    def binary(self, scheme: Scheme, functions: bool = False) -> bytes:
        """Return the model in operators of ours; `functions` adds the portable bodies."""

    @abstractmethod
    def full(self) -> bytes:
        """Return the model in standard operators, fp32."""


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution of `size` x `size` x `inputs` to `outputs` channels, padded so that stride 1 keeps the size."""

    size: int
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    batch: int = 1
    binarized: bool = True
    """Whether the layer is binary in a binary network; the first layer and shortcuts are 8-bit."""

    @property
    def op(self) -> str:  # type: ignore[override]
        return f"conv{self.kernel}x{self.kernel}"

    @property
    def shape(self) -> str:  # type: ignore[override]
        stride = f"/{self.stride}" if self.stride > 1 else ""
        return f"{self.size}x{self.size}x{self.inputs}-{self.outputs}{stride}"

    @property
    def schemes(self) -> tuple[Scheme, ...]:  # type: ignore[override]
        return (XNOR, BWN, BWN_INT8) if self.binarized else (INT8,)

    @property
    def out_size(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def padding(self) -> int:
        return self.kernel // 2

    @property
    def weight_shape(self) -> list[int]:
        return [self.outputs, self.inputs, self.kernel, self.kernel]

    @property
    def weights(self) -> int:  # type: ignore[override]
        return math.prod(self.weight_shape)

    @property
    def macs(self) -> int:  # type: ignore[override]
        return self.batch * self.out_size**2 * self.weights

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.batch, self.inputs, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.batch, self.outputs, self.out_size, self.out_size)

    @property
    def chains(self) -> bool:
        """Whether one can follow itself."""
        return self.binarized and self.stride == 1 and self.inputs == self.outputs

    def attributes(self) -> dict[str, Any]:
        return {
            "strides": [self.stride] * 2,
            "pads": [self.padding] * 4,
            "dilations": [1, 1],
            "group": 1,
        }

    def binary(self, scheme: Scheme, functions: bool = False) -> bytes:
        graph = Graph()
        operators = {XNOR: "XnorConv2d", BWN: "BwnConv2d", BWN_INT8: "BwnConv2dInt8", INT8: "Int8Conv2d"}
        threshold = [graph.floats(self.inputs)] if scheme == XNOR else []
        inputs = ["x", *threshold, *self._constants(graph, scheme), graph.floats(self.outputs)]
        graph.own(operators[scheme], inputs, ["y"], weight_shape=self.weight_shape, **self.attributes())
        return graph.model({"x": self.input_shape}, {"y": self.output_shape}, functions=functions)

    def _constants(self, graph: Graph, scheme: Scheme) -> list[str]:
        if scheme == INT8:
            return [graph.int8(*self.weight_shape), graph.positives(self.outputs)]
        return [graph.packed(self.outputs, self.weights // self.outputs), graph.positives(self.outputs)]

    def full(self) -> bytes:
        return self.full_chain(1)

    def full_chain(self, length: int = CHAIN) -> bytes:
        """Return fp32 convolutions in a row."""
        graph = Graph()
        for index in range(length):
            weight = graph.constant(self._small(graph, *self.weight_shape))
            inputs = [f"x{index}" if index else "x", weight, graph.floats(self.outputs)]
            outputs = ["y" if index == length - 1 else f"x{index + 1}"]
            graph.add("Conv", inputs, outputs, kernel_shape=[self.kernel] * 2, **self.attributes())
        return graph.model({"x": self.input_shape}, {"y": self.output_shape})

    def _small(self, graph: Graph, *shape: int) -> np.ndarray:
        """Weights that keep values of a chain from growing."""
        return graph.random.standard_normal(shape, np.float32) / np.float32(math.sqrt(self.weights / self.outputs))

    def sign_chain(self, length: int = CHAIN) -> bytes:
        """Return XNOR convolutions in a row, packed signs in, packed signs out."""
        graph = Graph()
        for index in range(length):
            constants = [*self._constants(graph, XNOR), graph.floats(self.outputs), graph.floats(self.outputs)]
            inputs = [f"x{index}" if index else "x", *constants]
            outputs = ["y" if index == length - 1 else f"x{index + 1}"]
            attributes = {"weight_shape": self.weight_shape, **self.attributes()}
            graph.own("XnorConv2dFromSignsToSigns", inputs, outputs, **attributes)
        shape = self.sign_shape()
        return graph.model({"x": shape}, {"y": shape}, UINT8)

    def sign_shape(self) -> tuple[int, ...]:
        return (self.batch, (self.inputs + 7) // 8, self.size, self.size)

    def sign_feeds(self) -> dict[str, np.ndarray]:
        """Return the input of the chain of signs."""
        return {"x": np.random.default_rng(1).integers(0, 256, self.sign_shape(), dtype=np.uint8)}


@dataclass(frozen=True)
class Linear(Layer):
    """A fully connected layer."""

    inputs: int
    outputs: int
    batch: int = 1
    op = "linear"
    schemes = (XNOR, BWN, INT8)

    @property
    def shape(self) -> str:  # type: ignore[override]
        return f"{self.inputs}-{self.outputs}"

    @property
    def weights(self) -> int:  # type: ignore[override]
        return self.inputs * self.outputs

    @property
    def macs(self) -> int:  # type: ignore[override]
        return self.batch * self.weights

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.batch, self.inputs)

    @property
    def output_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.batch, self.outputs)

    def binary(self, scheme: Scheme, functions: bool = False) -> bytes:
        graph = Graph()
        _linear(graph, "x", "y", self.inputs, self.outputs, scheme)
        return graph.model({"x": self.input_shape}, {"y": self.output_shape}, functions=functions)

    def full(self) -> bytes:
        graph = Graph()
        graph.add("Gemm", ["x", graph.floats(self.outputs, self.inputs), graph.floats(self.outputs)], ["y"], transB=1)
        return graph.model({"x": self.input_shape}, {"y": self.output_shape})


def _linear(graph: Graph, x: str, y: str, inputs: int, outputs: int, scheme: Scheme) -> None:
    operators = {XNOR: "XnorLinear", BWN: "BwnLinear", INT8: "Int8Linear"}
    threshold = [graph.floats(inputs)] if scheme == XNOR else []
    weight = graph.int8(outputs, inputs) if scheme == INT8 else graph.packed(outputs, inputs)
    constants = [*threshold, weight, graph.positives(outputs), graph.floats(outputs)]
    graph.own(operators[scheme], [x, *constants], [y], weight_shape=[outputs, inputs])


@dataclass(frozen=True)
class Recurrent(Layer):
    """A whole Elman (`rnn`), LSTM or GRU layer over a sequence: input half and recurrence, both binary."""

    op: str
    inputs: int
    hidden: int
    steps: int
    batch: int = 1
    schemes = (XNOR, BWN)

    @property
    def shape(self) -> str:  # type: ignore[override]
        return f"{self.inputs}-{self.hidden}x{self.steps}"

    @property
    def gates(self) -> int:
        return GATES[self.op]

    @property
    def weights(self) -> int:  # type: ignore[override]
        return self.gates * self.hidden * (self.inputs + self.hidden)

    @property
    def macs(self) -> int:  # type: ignore[override]
        return self.batch * self.steps * self.weights

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.steps, self.batch, self.inputs)

    @property
    def output_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.steps, self.batch, self.hidden)

    def bytes_held(self, weight_bits: int, value_bytes: float = 4) -> float:
        """The recurrent weights, which are what is read again and again."""
        return self.gates * self.hidden**2 * weight_bits / 8

    def bytes_moved(self, weight_bits: int, value_bytes: float = 4) -> float:
        """The recurrent weights once a step, the rest once."""
        steps = (self.steps - 1) * self.bytes_held(weight_bits)
        return super().bytes_held(weight_bits, value_bytes) + steps

    def binary(self, scheme: Scheme, functions: bool = False) -> bytes:
        graph = Graph()
        rows = self.gates * self.hidden
        _linear(graph, "x", "u", self.inputs, rows, scheme)
        prefix = {XNOR: "Xnor", BWN: "Bwn"}[scheme]
        threshold = [graph.constant(np.zeros(self.hidden, np.float32))] if scheme == XNOR else []
        state = graph.constant(np.zeros((self.batch, self.hidden), np.float32))
        inputs = ["u", *threshold, graph.packed(rows, self.hidden), graph.positives(rows)]
        weight_shape = [rows, self.hidden]
        if self.op == "rnn":
            graph.own(f"{prefix}Recurrence", [*inputs, state], ["p", "final"], weight_shape=weight_shape)
            graph.add("Tanh", ["p"], ["y"])
        elif self.op == "lstm":
            outputs = ["y", "final", "final_cell"]
            graph.own(f"{prefix}Lstm", [*inputs, state, state], outputs, weight_shape=weight_shape)
        else:
            bias = graph.floats(self.hidden)
            graph.own(f"{prefix}Gru", [*inputs, bias, state], ["y", "final"], weight_shape=weight_shape)
        return graph.model({"x": self.input_shape}, {"y": self.output_shape}, functions=functions)

    def full(self) -> bytes:
        graph = Graph()
        rows = self.gates * self.hidden
        weights = [
            graph.constant(graph.random.standard_normal(shape, np.float32) / np.float32(math.sqrt(self.hidden)))
            for shape in ((1, rows, self.inputs), (1, rows, self.hidden), (1, 2 * rows))
        ]
        attributes: dict[str, Any] = {"linear_before_reset": 1} if self.op == "gru" else {}
        graph.add(self.op.upper(), ["x", *weights], ["y"], hidden_size=self.hidden, **attributes)
        shape = [self.steps, 1, self.batch, self.hidden]
        return graph.model({"x": self.input_shape}, {"y": shape})


# Of ResNet-18 (He et al. 2016): 3x3 convolutions; then what is no binary layer in it by default.
RESNET18 = (
    Convolution(56, 64, 64), Convolution(28, 128, 128), Convolution(14, 256, 256), Convolution(7, 512, 512),
    Convolution(56, 64, 128, stride=2), Convolution(28, 128, 256, stride=2), Convolution(14, 256, 512, stride=2),
)  # fmt: skip
RESNET18_ENDS = (
    Convolution(224, 3, 64, kernel=7, stride=2, binarized=False),
    Convolution(56, 64, 128, kernel=1, stride=2, binarized=False),
    Convolution(28, 128, 256, kernel=1, stride=2, binarized=False),
    Convolution(14, 256, 512, kernel=1, stride=2, binarized=False),
)
# Of VGG-16 (Simonyan and Zisserman 2014).
VGG16 = (
    Convolution(224, 64, 64), Convolution(112, 64, 128), Convolution(112, 128, 128), Convolution(56, 128, 256),
    Convolution(56, 256, 256), Convolution(28, 256, 512), Convolution(28, 512, 512), Convolution(14, 512, 512),
)  # fmt: skip
# Of ResNet-50, most of whose work is 1x1; the first is a common yardstick and not in it.
RESNET50 = (
    Convolution(56, 256, 256, 1),
    Convolution(56, 64, 64, 1), Convolution(56, 64, 256, 1), Convolution(56, 256, 64, 1), Convolution(56, 256, 128, 1),
    Convolution(28, 128, 512, 1), Convolution(28, 512, 128, 1), Convolution(28, 512, 256, 1),
    Convolution(14, 256, 1024, 1), Convolution(14, 1024, 256, 1), Convolution(14, 1024, 512, 1),
    Convolution(7, 512, 2048, 1), Convolution(7, 2048, 512, 1),
    Convolution(56, 128, 128, 3, 2), Convolution(28, 256, 256, 3, 2), Convolution(14, 512, 512, 3, 2),
    Convolution(56, 256, 512, 1, 2), Convolution(28, 512, 1024, 1, 2), Convolution(14, 1024, 2048, 1, 2),
)  # fmt: skip
LINEAR = (Linear(4096, 4096), Linear(512, 1000), Linear(25088, 4096))
RECURRENT = tuple(
    Recurrent(op, size, size, steps) for size, steps in ((1024, 100), (512, 100), (128, 100)) for op in GATES
)

LAYERS: tuple[Layer, ...] = (*RESNET18, *RESNET18_ENDS, *VGG16, *RESNET50, *LINEAR, *RECURRENT)
QUICK: tuple[Layer, ...] = (*RESNET18[:4], RESNET50[0], *LINEAR[:2], *RECURRENT[:3])
"""What `--quick` measures."""


def select(quick: bool, only: str | None) -> list[Layer]:
    """Return the layers whose name contains `only`; of the few that `quick` leaves, or of all."""
    return [layer for layer in (QUICK if quick else LAYERS) if not only or only in layer.name]
