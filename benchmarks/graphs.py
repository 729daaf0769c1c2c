"""ONNX graphs made by hand: constants, nodes, and the operators of `edgenet`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgenet.exporter.functions import OPERATOR_SET, OPSET, attach_functions

Shape = Sequence[int]
FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


class Graph:
    """Collects nodes and constants of one model; random values are the same every time."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray) -> str:
        """Add a constant and return its name."""
        name = f"constant{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def floats(self, *shape: int) -> str:
        """Add standard normal numbers."""
        return self.constant(self.random.standard_normal(shape, np.float32))

    def positives(self, *shape: int) -> str:
        """Add numbers in [0.01, 0.02), as scaling factors are."""
        return self.constant(self.random.random(shape, np.float32) * np.float32(0.01) + np.float32(0.01))

    def packed(self, outputs: int, inputs: int) -> str:
        """Add random weights of one bit each."""
        rows = self.random.integers(0, 256, (outputs, (inputs + 7) // 8), dtype=np.uint8)
        if inputs % 8:
            rows[:, -1] &= (1 << inputs % 8) - 1
        return self.constant(rows)

    def int8(self, *shape: int) -> str:
        """Add random weights of eight bits each."""
        return self.constant(self.random.integers(-127, 128, shape, dtype=np.int8))

    def add(self, op: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **attributes))

    def own(self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add an operator of ours."""
        self.add(op, inputs, outputs, "edgenet", **attributes)

    def model(
        self,
        inputs: Mapping[str, Shape],
        outputs: Mapping[str, Shape],
        kind: int = FLOAT,
        functions: bool = False,
    ) -> bytes:
        """Return the model; `kind` is the type of all inputs and outputs, `functions` adds the portable bodies."""
        fed, given = (
            [helper.make_tensor_value_info(name, kind, list(shape)) for name, shape in side.items()]
            for side in (inputs, outputs)
        )
        graph = helper.make_graph(self.nodes, "graph", fed, given, self.tensors)
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("edgenet", OPERATOR_SET)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        if functions:
            attach_functions(model)
        return model.SerializeToString()
