"""Full networks have the number of parameters, and the state-dict keys and shapes, of those that are published."""

import pytest
import torch
from torch import nn

from edgenet.models import create

TORCHVISION = {
    "alexnet": 61_100_840,
    "vgg11_plain": 132_863_336,
    "vgg11": 132_868_840,
    "vgg13_plain": 133_047_848,
    "vgg13": 133_053_736,
    "vgg16_plain": 138_357_544,
    "vgg16": 138_365_992,
    "vgg19_plain": 143_667_240,
    "vgg19": 143_678_248,
    "googlenet": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "convnext_tiny": 28_589_128,
}
"""At 1,000 classes, as torchvision's documentation states them."""
CIFAR = {"resnet20": 0.27, "resnet32": 0.46, "resnet44": 0.66, "resnet56": 0.85, "resnet110": 1.7, "nin": 0.97}
"""Millions at 10 classes: He et al. 2016, table 6; Lin et al. 2014."""
KEYS = {
    "alexnet": {
        "features.0.weight": [64, 3, 11, 11],
        "features.3.weight": [192, 64, 5, 5],
        "features.10.bias": [256],
        "classifier.1.weight": [4096, 9216],
        "classifier.6.bias": [1000],
    },
    "vgg11_plain": {
        "features.0.weight": [64, 3, 3, 3],
        "features.3.weight": [128, 64, 3, 3],
        "features.18.weight": [512, 512, 3, 3],
        "classifier.3.weight": [4096, 4096],
    },
    "vgg19": {
        "features.1.running_var": [64],
        "features.49.weight": [512, 512, 3, 3],
        "features.50.bias": [512],
    },
    "googlenet": {
        "conv1.conv.weight": [64, 3, 7, 7],
        "conv3.bn.running_mean": [192],
        "inception3a.branch1.conv.weight": [64, 192, 1, 1],
        "inception3a.branch2.0.conv.weight": [96, 192, 1, 1],
        "inception3a.branch3.1.conv.weight": [32, 16, 3, 3],
        "inception4e.branch4.1.bn.num_batches_tracked": [],
        "aux1.conv.conv.weight": [128, 512, 1, 1],
        "aux1.fc1.weight": [1024, 2048],
        "aux2.conv.conv.weight": [128, 528, 1, 1],
        "aux2.fc2.weight": [1000, 1024],
        "fc.weight": [1000, 1024],
    },
    "resnext50_32x4d": {
        "layer1.0.conv1.weight": [128, 64, 1, 1],
        "layer1.0.conv2.weight": [128, 4, 3, 3],
        "layer4.0.downsample.1.weight": [2048],
    },
    "resnext101_32x8d": {"layer3.22.conv2.weight": [1024, 32, 3, 3]},
    "densenet121": {
        "features.conv0.weight": [64, 3, 7, 7],
        "features.denseblock1.denselayer1.norm1.weight": [64],
        "features.denseblock1.denselayer1.conv1.weight": [128, 64, 1, 1],
        "features.denseblock4.denselayer16.conv2.weight": [32, 128, 3, 3],
        "features.transition1.norm.running_mean": [256],
        "features.transition1.conv.weight": [128, 256, 1, 1],
        "features.norm5.bias": [1024],
        "classifier.weight": [1000, 1024],
    },
    "densenet161": {"features.transition3.conv.weight": [1056, 2112, 1, 1]},
    "convnext_tiny": {
        "features.0.0.weight": [96, 3, 4, 4],
        "features.0.1.weight": [96],
        "features.1.0.layer_scale": [96, 1, 1],
        "features.1.0.block.0.weight": [96, 1, 7, 7],
        "features.1.0.block.2.bias": [96],
        "features.1.0.block.3.weight": [384, 96],
        "features.5.8.block.5.weight": [384, 1536],
        "features.6.0.weight": [384],
        "features.6.1.weight": [768, 384, 2, 2],
        "classifier.0.weight": [768],
        "classifier.2.weight": [1000, 768],
    },
}
"""Some of torchvision's keys, of every kind of layer that a network has."""


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def on_meta(*arguments, **options) -> nn.Module:
    """A network of full size without its numbers: made in no time."""
    with torch.device("meta"):
        return create(*arguments, **options)


@pytest.mark.parametrize("scheme", ["full", "bwn"])
@pytest.mark.parametrize("name", TORCHVISION)
def test_parameters_of_imagenet_networks_are_as_many_as_torchvisions(name, scheme):
    assert count(on_meta(name, 1000, scheme)) == TORCHVISION[name]


@pytest.mark.parametrize("name", KEYS)
def test_keys_and_shapes_are_torchvisions(name):
    shapes = {key: list(tensor.shape) for key, tensor in on_meta(name, 1000).state_dict().items()}
    assert {key: shapes.get(key) for key in KEYS[name]} == KEYS[name]


@pytest.mark.parametrize("name", TORCHVISION)
def test_xnor_keeps_the_keys_and_adds_thresholds_and_normalisation_alone(name):
    full, xnor = (on_meta(name, 10, scheme) for scheme in ("full", "xnor"))
    assert full.state_dict().keys() <= xnor.state_dict().keys()
    norms = {key for key, module in xnor.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)}
    added = {key for key in xnor.state_dict().keys() - full.state_dict().keys() if not key.endswith(".threshold")}
    assert {key.rpartition(".")[0] for key in added} <= norms


@pytest.mark.parametrize("name", CIFAR)
def test_parameters_of_cifar_networks_are_as_many_as_their_papers_say(name):
    model = on_meta(name, 10)
    norms = sum(p.numel() for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters())
    published = count(model) - (norms if name == "nin" else 0)  # which has no normalisation there
    assert published / 1e6 == pytest.approx(CIFAR[name], abs=0.011 if CIFAR[name] < 1 else 0.05)


def test_resnet20_has_shortcuts_without_weights():
    assert count(on_meta("resnet20", 10)) == 269_722
    assert not any("downsample" in key for key in on_meta("resnet20", 10).state_dict())


def test_googlenet_without_its_intermediate_classifiers_has_half_as_many_parameters():
    assert count(on_meta("googlenet", 1000, auxiliary=False)) == 6_624_904


def test_alexnet_on_two_gpus_has_the_parameters_of_2012():
    assert count(on_meta("alexnet", 1000, groups=2, widths=(96, 256, 384, 384, 256))) == 60_965_224


def test_vgg_small_and_reactnet_have_the_weights_of_their_papers():
    assert count(on_meta("vgg_small", 10)) == 4_660_106
    convolutions = [m for m in on_meta("reactnet_a", 1000, "xnor").modules() if isinstance(m, nn.Conv2d)]
    pairs = ((32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), *[(512, 512)] * 5, (512, 1024),
             (1024, 1024))  # fmt: skip
    expected = 3 * 32 * 9 + sum(9 * inputs**2 + inputs * outputs for inputs, outputs in pairs)
    assert sum(layer.weight.numel() for layer in convolutions) == expected


def test_mixed_resnext_has_the_paths_of_resnext50_half_of_them_with_larger_filters():
    usual, mixed = count(on_meta("resnext50_32x4d", 1000)), count(on_meta("resnext50_mixed", 1000))
    blocks = zip((128, 256, 512, 1024), (3, 4, 6, 3), strict=True)
    assert mixed - usual == sum(depth * (width // 2) * 4 * 2**stage * (25 - 9)
                                for stage, (width, depth) in enumerate(blocks))  # fmt: skip
