"""Options of a network's factory: what is known, and what a user writes."""

import json

import pytest
import torch
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.models import list_models
from edgenet.models.registry import factory_options
from edgenet.training import load_checkpoint, train
from edgenet.training.networks import find_network
from edgenet.training.options import parse_options
from tests.training.data import SHAPE, TinyNet, make_stripes


def wide(channels: int = 8, bias: bool = True, dropout: float = 0.2, name: str = "x") -> nn.Module:
    model = nn.Sequential(
        nn.Conv2d(3, channels, 3, bias=bias), nn.ReLU(), nn.Conv2d(channels, 4, 3), nn.Dropout(dropout), nn.Flatten(),
        nn.Linear(4 * 36, 2),
    )  # fmt: skip
    model.input_shape = SHAPE  # type: ignore[assignment]
    return model


@pytest.mark.parametrize(
    ("network", "pair", "value"),
    [
        ("deep_resnet", "depth=10000", 10000),
        ("resnet18", "depths=1,2", [1, 2]),
        ("resnet18", "depths=[1,2]", [1, 2]),
        ("resnet18", "input_size=64", 64),
        ("randomly_wired", "graph=erdos_renyi", "erdos_renyi"),
        ("language_model", "dropout=0.5", 0.5),
        ("language_model", "dropout=0", 0),
        ("highway_mlp", "carry_gate=true", True),
        ("highway_mlp", "carry_gate=True", True),
    ],
)
def test_a_value_is_read_as_what_the_default_is(network, pair, value):
    assert parse_options(network, [pair], None) == {pair.partition("=")[0]: value}


@pytest.mark.parametrize(
    ("network", "pair", "message"),
    [
        ("deep_resnet", "deep=3", r"deep_resnet has no option 'deep': its options are .*depth, .*width"),
        ("deep_resnet", "depth", "option 'depth' is not NAME=VALUE"),
        ("deep_resnet", "depth=many", "option depth of deep_resnet is a whole number, such as .*; got 'many'"),
        ("deep_resnet", "depth=2.5", "is a whole number"),
        ("language_model", "dropout=high", "is a number, such as 0.1; got 'high'"),
        ("highway_mlp", "carry_gate=7", "is true or false, such as false"),
        ("resnet18", "depths=two", "is a list, such as 2, 2, 2, 2; got 'two'"),
        ("lenet5", "scheme=xnor", "lenet5 has no option 'scheme'"),
    ],
)
def test_a_wrong_one_is_refused(network, pair, message):
    with pytest.raises(EdgenetError, match=message):
        parse_options(network, [pair], None)


def test_every_network_tells_its_options_and_what_makes_it_small_is_among_them():
    for entry in list_models():
        options = factory_options(entry.name)
        assert not {"num_classes", "scheme"} & set(options), entry.name
        assert set(entry.small) <= set(options), entry.name


def test_those_of_ones_own_factory_are_its_arguments():
    assert parse_options("own", ["channels=4", "bias=false", "name=7"], wide) == {
        "channels": 4, "bias": False, "name": "7",
    }  # fmt: skip
    with pytest.raises(EdgenetError, match="own has no option 'width': its options are bias, channels, dropout, name"):
        parse_options("own", ["width=4"], wide)
    with pytest.raises(EdgenetError, match="it has no options"):
        parse_options("own", ["width=4"], lambda: TinyNet())
    with pytest.raises(EdgenetError, match="has no option 'width'"):
        find_network(wide, {"width": 4})


@pytest.mark.parametrize(
    ("model", "options", "layer"), [(wide, {"channels": 5}, "0"), ("lenet5", {"in_channels": 3}, "conv1")]
)
def test_they_are_recorded_so_that_resuming_and_loading_make_the_same_network(tmp_path, model, options, layer):
    data = make_stripes(tmp_path / "stripes")
    given = {"epochs": 1, "out": tmp_path / "run", "distill": False, "on_event": lambda event: None}
    (bwn,) = train(model, ["bwn"], data, options=options, **given)
    assert json.loads((tmp_path / "run" / "bwn.json").read_text())["options"] == options
    again, _ = load_checkpoint(bwn.checkpoint, None if model == "lenet5" else model)
    assert again.get_submodule(layer).weight.shape == bwn.model.get_submodule(layer).weight.shape
    assert torch.equal(again.get_submodule(layer).weight, bwn.model.get_submodule(layer).weight)
    train(model, ["bwn"], data, options=options, resume=True, **given)
    other = {"channels": 6} if model is wide else {}
    with pytest.raises(EdgenetError, match="of the options was"):
        train(model, ["bwn"], data, options=other, resume=True, **given)


def test_options_that_are_tuples_are_the_same_when_resumed(tmp_path):
    data = make_stripes(tmp_path / "stripes")
    given = {"epochs": 0, "out": tmp_path / "run", "on_event": lambda event: None}
    train("resnet18", ["full"], data, options={"depths": (1, 1), "width": 8}, **given)
    events = []
    train(
        "resnet18",
        ["full"],
        data,
        options={"depths": [1, 1], "width": 8},
        resume=True,
        **given | {"on_event": events.append},
    )
    assert [event.kind for event in events] == ["note"]
