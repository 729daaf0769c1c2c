import subprocess
import sys

import pytest
import torch

from edgenet.errors import EdgenetError
from edgenet.models import create, get_entry, list_models, register_model
from edgenet.models.registry import _FACTORIES
from edgenet.nn import BinaryLayer, calibrate

SCHEMES = ("full", "bwn", "xnor")
NAMES = [entry.name for entry in list_models()]
RECURRENT = ("elman", "lstm", "gru")
SMALL = {"vgg16": {"classifier_size": 64}}
"""Options of networks that would make a test slow."""
LAST = {"lenet5": "fc3.weight", "vgg16": "classifier.6.weight"}
"""Weights of the last layer; `fc.weight` for all others."""


def logits_of(outputs):
    return outputs[0] if isinstance(outputs, tuple) else outputs


@pytest.mark.parametrize("ends", ["fp32", "binary"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", NAMES)
def test_every_network_runs_forward_and_backward_in_every_scheme(name, scheme, ends):
    model = create(name, 7, scheme, ends=ends, **SMALL.get(name, {}))
    assert (model.scheme, tuple(model.input_shape)) == (scheme, get_entry(name).input_shape)
    assert model.ends == ("fp32" if scheme == "full" else ends)
    batch = torch.randn(4, *model.input_shape)
    calibrate(model, batch)
    logits = logits_of(model.train()(batch))
    assert logits.shape == (4, 7)
    logits.logsumexp(1).sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
    assert torch.isfinite(logits_of(model.eval()(batch))).all()


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
@pytest.mark.parametrize("name", NAMES)
def test_weights_of_the_full_network_start_the_binary_ones(name, scheme):
    options = SMALL.get(name, {})
    full = create(name, **options)
    model = create(name, scheme=scheme, weights=full.state_dict(), **options)
    last = LAST.get(name, "fc.weight")
    assert torch.equal(model.state_dict()[last], full.state_dict()[last])
    latent = {tuple(w.shape): w for w in (m.weight for m in model.modules() if isinstance(m, BinaryLayer))}
    trained = [parameter for parameter in full.parameters() if tuple(parameter.shape) in latent]
    assert any(torch.equal(parameter, latent[tuple(parameter.shape)]) for parameter in trained)


@pytest.mark.parametrize("name", NAMES)
def test_no_binary_layer_of_a_calibrated_network_sees_one_sided_input(name):
    model = create(name, scheme="xnor", **({"num_layers": 3} if name in RECURRENT else SMALL.get(name, {})))
    batch = torch.randn(16, *model.input_shape)
    calibrate(model, batch)
    shares = {}
    for layer_name, layer in model.named_modules():
        if isinstance(layer, BinaryLayer):
            layer.register_forward_pre_hook(
                lambda module, inputs, key=layer_name: shares.__setitem__(key, plus_share(module, inputs[0]))
            )
    model.train()(batch)
    assert shares
    assert all(0.1 < share < 0.9 for share in shares.values()), shares


def plus_share(layer, x):
    threshold = layer.threshold.view(-1, 1, 1) if x.dim() == 4 else layer.threshold
    return float((x >= threshold).float().mean())


def test_catalog_and_factories_name_the_same_networks():
    for name in NAMES:
        create(name, **SMALL.get(name, {}))
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
