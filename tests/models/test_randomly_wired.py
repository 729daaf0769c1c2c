import pytest
import torch
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.models import create
from edgenet.models.randomly_wired import WiredNode, WiredStage, random_graph

KINDS = ("erdos_renyi", "barabasi_albert", "watts_strogatz")


@pytest.mark.parametrize("nodes", [3, 10, 32])
@pytest.mark.parametrize("kind", KINDS)
def test_graphs_are_acyclic_and_connected(kind, nodes):
    for seed in range(5):
        predecessors = random_graph(kind, nodes, seed)
        assert len(predecessors) == nodes
        assert all(before < node for node, edges in enumerate(predecessors) for before in edges)
        reached = {0}
        for _ in range(nodes):
            for node, edges in enumerate(predecessors):
                if node in reached or reached & set(edges):
                    reached |= {node, *edges}
        assert reached == set(range(nodes))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_graphs_and_others_others(kind):
    assert random_graph(kind, 16, 3) == random_graph(kind, 16, 3)
    assert len({str(random_graph(kind, 16, seed)) for seed in range(5)}) > 1


def test_graphs_have_as_many_edges_as_their_generators_promise():
    assert sum(map(len, random_graph("watts_strogatz", 32, 0))) == 32 * 4 / 2
    assert sum(map(len, random_graph("barabasi_albert", 32, 0))) == (32 - 5) * 5
    edges = [sum(map(len, random_graph("erdos_renyi", 32, seed))) for seed in range(20)]
    assert sum(edges) / 20 == pytest.approx(0.2 * 32 * 31 / 2, rel=0.1)


def test_a_node_sees_the_weighted_sum_of_its_edges():
    node = WiredNode(4, 4, 2, 1, nn.ReLU, shortcut=False).eval()
    with torch.no_grad():
        node.edge_weight.copy_(torch.tensor([0.5, -2.0]))
    a, b = torch.randn(2, 1, 4, 5, 5)
    expected = torch.sigmoid(torch.tensor(0.5)) * a + torch.sigmoid(torch.tensor(-2.0)) * b
    torch.testing.assert_close(node([a, b]), node.norm(node.conv(torch.relu(expected))))


def test_a_stage_is_the_mean_of_the_nodes_that_nothing_follows():
    stage = WiredStage([[], [0], [0]], 4, 4, nn.ReLU, shortcut=False).eval()
    x = torch.randn(2, 4, 6, 6)
    first = stage.nodes[0]([x])
    assert first.shape == (2, 4, 3, 3)
    torch.testing.assert_close(stage(x), (stage.nodes[1]([first]) + stage.nodes[2]([first])) / 2)


def test_the_seed_of_the_graph_decides_the_wiring_and_the_seed_of_torch_the_weights():
    options = {"nodes": 8, "widths": (8, 8)}
    torch.manual_seed(0)
    one, other = create("randomly_wired", **options), create("randomly_wired", **options)
    assert [s.predecessors for s in one.stages] == [s.predecessors for s in other.stages]
    assert not torch.equal(one.stem.weight, other.stem.weight)
    wired = create("randomly_wired", graph_seed=9, **options)
    assert [s.predecessors for s in one.stages] != [s.predecessors for s in wired.stages]


@pytest.mark.parametrize("graph", KINDS)
def test_every_kind_of_graph_makes_a_network(graph):
    model = create("randomly_wired", scheme="xnor", graph=graph, nodes=6, widths=(8, 8)).eval()
    assert torch.isfinite(model(torch.randn(2, 1, 32, 32))).all()


@pytest.mark.parametrize(
    ("options", "message"), [({"graph": "small_world"}, "unknown random graph"), ({"nodes": 2}, "use at least 3")]
)
def test_wrong_graphs_are_refused(options, message):
    with pytest.raises(EdgenetError, match=message):
        create("randomly_wired", **options)
