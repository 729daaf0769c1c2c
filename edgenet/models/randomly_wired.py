"""Randomly wired networks: convolutions joined by a random graph."""

import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.models.registry import register_model


def random_graph(kind: str, nodes: int, seed: int) -> list[list[int]]:
    """A connected directed acyclic graph: the predecessors of each node, in its order of evaluation.

    kind
        "erdos_renyi" (edges with probability 0.2), "barabasi_albert" (5 edges a new node) or "watts_strogatz" (4
        neighbours in a ring, rewired with probability 0.75), the best of Xie et al. 2019, arXiv:1904.01569, section
        4.1. Small graphs have fewer edges: at most `nodes - 1` a node.

    Every edge leads from the lower to the higher number, so there are no cycles (section 3.3). Equal seeds give equal
    graphs; graphs that are not connected are drawn again. Raises EdgenetError for another kind, or fewer than 3 nodes.
    """
    import networkx

    if nodes < 3:
        raise EdgenetError(f"a random graph of {nodes} nodes has no wiring: use at least 3")
    most = nodes - 1
    generators: dict[str, Callable[[int], networkx.Graph]] = {
        "erdos_renyi": lambda draw: networkx.erdos_renyi_graph(nodes, 0.2, draw),
        "barabasi_albert": lambda draw: networkx.barabasi_albert_graph(nodes, min(5, most), draw),
        "watts_strogatz": lambda draw: networkx.connected_watts_strogatz_graph(nodes, min(4, most), 0.75, seed=draw),
    }
    if kind not in generators:
        raise EdgenetError(f"unknown random graph {kind!r}: use one of {', '.join(generators)}")
    draws = random.Random(seed)
    graph = generators[kind](draws.getrandbits(32))
    while not networkx.is_connected(graph):
        graph = generators[kind](draws.getrandbits(32))
    return [sorted(other for other in graph[node] if other < node) for node in range(nodes)]


class WiredNode(nn.Module):
    """`norm(conv(activation(sum_i sigmoid(w[i]) x[i])))`, w one weight an edge (section 3.2).

    The convolution is a whole 3x3 one, as depthwise ones have too few weights to be binary. With `shortcut` the sum is
    added to the result, so that float values pass every sign() by (Bi-Real Net, arXiv:1808.00278).
    """

    def __init__(
        self, inputs: int, outputs: int, edges: int, stride: int, activation: type[nn.Module], shortcut: bool
    ) -> None:
        super().__init__()
        self.edge_weight = nn.Parameter(torch.zeros(edges)) if edges else None
        self.activation = activation()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut and stride == 1 and inputs == outputs

    def forward(self, inputs: list[Tensor]) -> Tensor:
        x = inputs[0]
        if self.edge_weight is not None:
            shares = torch.sigmoid(self.edge_weight)
            x = inputs[0] * shares[0]
            for index in range(1, len(inputs)):
                x = x + inputs[index] * shares[index]
        y = self.norm(self.conv(self.activation(x)))
        return y + x if self.shortcut else y


class WiredStage(nn.Module):
    """The nodes of one random graph. Those without predecessors see the stage's input and halve its size.

    The stage's output is the mean of the nodes that nothing follows (section 3.3).
    """

    def __init__(
        self, predecessors: list[list[int]], inputs: int, outputs: int, activation: type[nn.Module], shortcut: bool
    ) -> None:
        super().__init__()
        self.predecessors = predecessors
        followed = {before for edges in predecessors for before in edges}
        self.last = [node for node in range(len(predecessors)) if node not in followed]
        self.nodes = nn.ModuleList(
            WiredNode(outputs if edges else inputs, outputs, len(edges), 1 if edges else 2, activation, shortcut)
            for edges in predecessors
        )

    def forward(self, x: Tensor) -> Tensor:
        results: list[Tensor] = []
        for node, edges in zip(self.nodes, self.predecessors, strict=True):
            results.append(node([results[before] for before in edges] or [x]))
        total = results[self.last[0]]
        for node_index in self.last[1:]:
            total = total + results[node_index]
        return total / len(self.last)


class RandomlyWiredNetwork(nn.Module):
    """A convolution, a randomly wired stage for each of `widths`, average pooling and a classifier.

    Xie et al. 2019, Exploring randomly wired neural networks for image recognition, arXiv:1904.01569. Images are
    [N, in_channels, H, W]. Stage i is wired by `random_graph(graph, nodes, graph_seed + i)`.
    """

    def __init__(
        self, activation: type[nn.Module], shortcut: bool, num_classes: int, in_channels: int, input_size: int,
        graph: str, nodes: int, graph_seed: int, widths: tuple[int, ...],
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, input_size, input_size)
        stem = widths[0] // 2
        self.stem = nn.Conv2d(in_channels, stem, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(stem)
        self.stages = nn.Sequential()
        inputs = stem
        for index, width in enumerate(widths):
            wiring = random_graph(graph, nodes, graph_seed + index)
            self.stages.append(WiredStage(wiring, inputs, width, activation, shortcut))
            inputs = width
        self.fc = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.norm(self.stem(x)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@register_model
def randomly_wired(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 1, input_size: int = 32,
    graph: str = "watts_strogatz", nodes: int = 10, graph_seed: int = 0, widths: tuple[int, ...] = (32, 64, 128),
) -> RandomlyWiredNetwork:  # fmt: skip
    """Randomly wired network; for `xnor` without ReLU and with a shortcut over every convolution."""
    xnor = scheme == "xnor"
    return RandomlyWiredNetwork(
        nn.Identity if xnor else nn.ReLU, xnor, num_classes, in_channels, input_size, graph, nodes, graph_seed, widths
    )
