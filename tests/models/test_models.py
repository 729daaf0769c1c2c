import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edgenet
from edgenet.errors import EdgenetError
from edgenet.exporter import ExportResult
from edgenet.models import FittedNetwork, create, example_inputs, get_entry, list_models, register_model
from edgenet.models.registry import _FACTORIES
from edgenet.nn import BinaryLayer, DiracConv2d, Int8Layer, calibrate, clip_latent_weights
from edgenet.runtime import library
from edgenet.runtime.inspection import inspect

SCHEMES = ("full", "bwn", "xnor")
NAMES = [entry.name for entry in list_models()]
CLASSIFIERS = [entry.name for entry in list_models() if entry.data == "digits"]
"""Those that take one input and return a class; `test_sequence_networks.py` has more of the others."""
CLASSES, SAMPLES = 4, 16
STEPS, MOST_STEPS = 10, 120
ENOUGH = 0.7
"""Share of the loss at first at which a network has shown that it learns."""
PATHS = {"portable", "native"} if library.available() else {"portable"}


def make(name, num_classes=CLASSES, scheme="full", **options) -> nn.Module:
    """The network in the small size that the catalog has for tests."""
    return create(name, num_classes, scheme, **{**get_entry(name).small, **options})


def logits_of(outputs):
    return outputs[0] if isinstance(outputs, tuple) else outputs


def all_logits(outputs) -> list[Tensor]:
    """Those of the last classifier and of intermediate ones."""
    return [logits_of(outputs), *getattr(outputs, "auxiliary", ())]


@pytest.mark.parametrize("ends", ["fp32", "binary"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", NAMES)
def test_every_network_runs_forward_and_backward_in_every_scheme(name, scheme, ends):
    model = make(name, 7, scheme, ends=ends)
    assert (model.scheme, tuple(model.input_shape)) == (scheme, get_entry(name).input_shape)
    assert model.ends == ("fp32" if scheme == "full" else ends)
    batch = example_inputs(model, 4)
    calibrate(model, batch)
    outputs = all_logits(model.train()(*batch))
    assert {(logits.shape[0], logits.shape[-1]) for logits in outputs} == {(4, 7)}
    torch.stack([logits.logsumexp(-1).sum() for logits in outputs]).sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
    assert torch.isfinite(logits_of(model.eval()(*batch))).all()


@dataclass(frozen=True)
class Learned:
    """A small network after it was trained or fitted on one batch, and its exported file."""

    model: nn.Module
    loss_before: float
    loss_after: float
    exported: ExportResult


def loss_of(model: nn.Module, batch: Tensor, targets: Tensor) -> float:
    with torch.no_grad():
        return float(F.cross_entropy(logits_of(model.eval()(batch)), targets))


def learn(model: nn.Module, path) -> Learned:
    batch, targets = torch.randn(SAMPLES, *model.input_shape), torch.arange(SAMPLES) % CLASSES
    calibrate(model, batch)
    before = loss_of(model, batch, targets)
    if isinstance(model, FittedNetwork):
        assert model.fit([(batch, targets)]) == SAMPLES
        after = loss_of(model, batch, targets)
    else:
        after = descend(model, batch, targets, before)
    return Learned(model, before, after, edgenet.export(model, batch[:1], path, samples=batch))


def descend(model: nn.Module, batch: Tensor, targets: Tensor, before: float) -> float:
    """Take steps until the loss is low enough, and return it."""
    after = before
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3 if batch.dim() == 4 else 5e-3)
    for step in range(1, MOST_STEPS + 1):
        optimizer.zero_grad()
        logits = all_logits(model.train()(batch))
        torch.stack([F.cross_entropy(one, targets) for one in logits]).sum().backward()
        optimizer.step()
        clip_latent_weights(model)
        if step % STEPS == 0:
            after = loss_of(model, batch, targets)
            if after < ENOUGH * before:
                break
    return after


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Learned networks by name and scheme. Those whose small versions are alike in every layer are made once."""
    done: dict[str, Learned] = {}

    def get(name: str, scheme: str) -> Learned:
        torch.manual_seed(0)
        model = make(name, scheme=scheme)
        key = f"{scheme} {model}"
        if key not in done:
            done[key] = learn(model, tmp_path_factory.mktemp(name) / f"{scheme}.onnx")
        return done[key]

    return get


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_network_learns_a_batch_and_its_file_agrees_with_torch_on_every_path(name, scheme, learned):
    network = learned(name, scheme)
    assert network.loss_after < ENOUGH * network.loss_before
    result = network.exported
    has_bits = any(isinstance(module, BinaryLayer) for module in network.model.modules())
    assert has_bits or scheme == "full"
    assert set(result.agreement) == (PATHS if has_bits else {"plain"})
    assert min(result.agreement.values()) >= 0.995


def layers_of(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Convolutions and linear layers by name; a float one with a skip in its kernel is one layer with it."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            parent = model.get_submodule(name.rpartition(".")[0])
            folded = isinstance(parent, DiracConv2d) and type(module) is nn.Conv2d
            yield (name.rpartition(".")[0] if folded else name), module


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_inspection_names_each_layer_and_says_why_it_is_not_binary(name, scheme, learned):
    network = learned(name, scheme)
    parts = tuple(f"{part}." for part in getattr(network.model, "training_only", ()))
    layers = dict(layers_of(network.model))
    expected = {key: layer for key, layer in layers.items() if not key.startswith(parts)}
    found = {layer.name: layer for layer in inspect(network.exported.path).layers}
    assert expected.keys() <= found.keys()
    held = [tensor.name for tensor in onnx.load(network.exported.path).graph.initializer]
    assert not [key for key in [*found, *held] if key.startswith(parts)]
    for key, layer in expected.items():
        assert found[key].binary == isinstance(layer, BinaryLayer), key
        assert bool(found[key].reason) != found[key].binary, key
        if isinstance(layer, nn.Conv2d) and 1 < layer.in_channels == layer.groups and scheme != "full":
            assert not isinstance(layer, BinaryLayer | Int8Layer)
            assert found[key].reason.startswith("depthwise convolution")


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
@pytest.mark.parametrize("name", NAMES)
def test_weights_of_the_full_network_start_the_binary_ones(name, scheme):
    full = make(name)
    model = make(name, scheme=scheme, weights=full.state_dict())
    last = [key for key, m in full.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    assert torch.equal(model.state_dict()[f"{last}.weight"], full.state_dict()[f"{last}.weight"])
    latent = {tuple(w.shape): w for w in (m.weight for m in model.modules() if isinstance(m, BinaryLayer))}
    frozen = [module.weight for module in full.modules() if isinstance(module, BinaryLayer)]
    given = [weight for weight in (*full.parameters(), *frozen) if tuple(weight.shape) in latent]
    assert any(torch.equal(weight, latent[tuple(weight.shape)]) for weight in given)


@pytest.mark.parametrize("name", NAMES)
def test_no_binary_layer_of_a_calibrated_network_sees_one_sided_input(name):
    model = make(name, scheme="xnor", **({"num_layers": 3} if name in ("elman", "lstm", "gru") else {}))
    batch = example_inputs(model, 16)
    calibrate(model, batch)
    shares = {}
    for layer_name, layer in model.named_modules():
        if isinstance(layer, BinaryLayer) and layer.scheme == "xnor":
            layer.register_forward_pre_hook(
                lambda module, inputs, key=layer_name: shares.__setitem__(key, plus_share(module, inputs[0]))
            )
    model.train()(*batch)
    assert shares
    assert all(0.1 < share < 0.9 for share in shares.values()), shares


def plus_share(layer, x):
    threshold = layer.threshold.view(-1, 1, 1) if isinstance(layer, nn.Conv2d) else layer.threshold
    return float((x >= threshold).float().mean())


def test_catalog_and_factories_name_the_same_networks():
    for name in NAMES:
        make(name)
    assert sorted(_FACTORIES) == sorted(NAMES)
    assert register_model(_FACTORIES["lenet5"]) is _FACTORIES["lenet5"]


def test_the_list_of_networks_needs_no_torch():
    code = "import sys; from edgenet.models import list_models; list_models(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("resnet19",), {}, "unknown model 'resnet19': use one of resnet18"),
        (("lenet5", 10, "ternary"), {}, "unknown scheme 'ternary'"),
        (("lenet5",), {"depth": 3}, r"cannot be made with options \['depth'\]"),
        (("lenet5",), {"weights": {"conv1.weight": torch.zeros(1)}}, "weights given are not those of 'lenet5'"),
    ],
)
def test_wrong_use_is_refused(arguments, options, message):
    with pytest.raises(EdgenetError, match=message):
        create(*arguments, **options)
