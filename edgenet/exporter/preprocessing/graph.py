"""What pictures and sound share: nodes and constants before a graph, under names of their own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, ValueInfoProto, helper, numpy_helper

from edgenet.runtime.tensors import PREPROCESSING as PREFIX


class Front:
    """Nodes to be put before a graph; every name but those of its inputs and of `result` gets a prefix."""

    def __init__(self, graph: GraphProto) -> None:
        self.graph = graph
        self.result = graph.input[0].name
        self._nodes: list[NodeProto] = []

    def constant(self, name: str, value: Any) -> str:
        """Keep a constant and return its name."""
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), PREFIX + name))
        return PREFIX + name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node and return its output's name: `output` itself where that is the graph's, else prefixed."""
        own = {self.result, *(value.name for value in self.graph.output)}
        name = output if output in own else PREFIX + output
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=PREFIX + output, **attributes))
        return name

    def put(self, inputs: Sequence[ValueInfoProto]) -> None:
        """Put the nodes before the graph's own, and `inputs` in place of its first input."""
        others = [*list(self.graph.input)[1:], *inputs[1:]]
        nodes = [*self._nodes, *self.graph.node]
        del self.graph.input[:], self.graph.node[:]
        self.graph.input.extend([inputs[0], *others])
        self.graph.node.extend(nodes)
