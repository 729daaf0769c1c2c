import copy

import onnx
import pytest
import torch
from torch import nn

import edgenet
from edgenet.exporter.replacement import pack_layers
from edgenet.models import create
from edgenet.nn import BinaryConv2d, DiracConv2d, calibrate


def randomised(layer):
    nn.init.normal_(layer.skip)
    nn.init.normal_(layer.gain)
    return layer


@pytest.mark.parametrize(("inputs", "outputs", "size"), [(4, 4, 3), (4, 7, 3), (7, 4, 3), (3, 3, 5)])
def test_the_folded_convolution_is_the_unfolded_layer(inputs, outputs, size):
    layer = randomised(DiracConv2d(inputs, outputs, size))
    folded = layer.folded()
    assert type(folded) is nn.Conv2d
    x = torch.randn(2, inputs, 6, 6)
    torch.testing.assert_close(folded(x), layer(x), rtol=1e-5, atol=1e-5)


def test_the_layer_begins_as_its_input_and_a_tenth_of_a_convolution_of_unit_rows():
    layer = DiracConv2d(4, 4)
    x = torch.randn(2, 4, 6, 6)
    rows = layer.conv.weight / layer.conv.weight.square().sum((1, 2, 3), keepdim=True).sqrt()
    torch.testing.assert_close(layer(x), x + 0.1 * nn.functional.conv2d(x, rows, padding=1))


def test_the_size_of_the_weights_has_no_meaning():
    layer = randomised(DiracConv2d(4, 4))
    x = torch.randn(2, 4, 6, 6)
    before = layer(x)
    with torch.no_grad():
        layer.conv.weight.mul_(3)
    torch.testing.assert_close(layer(x), before)


def test_the_folded_network_is_the_unfolded_one():
    model = create("diracnet", width=8, depth=2).eval()
    for layer in model.modules():
        if isinstance(layer, DiracConv2d):
            randomised(layer)
    x = torch.randn(4, 1, 32, 32)
    calibrate(model, x)
    folded = pack_layers(copy.deepcopy(model))
    assert not any(isinstance(module, DiracConv2d) for module in folded.modules())
    torch.testing.assert_close(folded(x), model(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("scheme", "skips"), [("full", 0), ("bwn", 4), ("xnor", 4)])
def test_full_exports_one_convolution_a_layer_and_the_binary_schemes_keep_the_skip(scheme, skips, tmp_path):
    model = create("diracnet", scheme=scheme, width=8, depth=2, groups=2)
    x = torch.randn(8, 1, 32, 32)
    calibrate(model, x)
    edgenet.export(model, x[:1], tmp_path / "net.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node]
    assert sum("Conv" in kind for kind in kinds) == 5
    assert sum("Add" in kind for kind in kinds) == skips
    assert kinds.count("Mul") == skips


def test_a_binary_layer_hands_its_input_on_beside_the_signs():
    model = create("diracnet", scheme="xnor", width=8, depth=1, groups=1)
    layer = model.groups[0][0].dirac
    assert isinstance(layer.conv, BinaryConv2d)
    x = torch.randn(2, 8, 4, 4)
    factor = layer.gain / layer.conv.weight.flatten(1).norm(dim=1)
    torch.testing.assert_close(layer(x), x * layer.skip.view(-1, 1, 1) + layer.conv(x) * factor.view(-1, 1, 1))
