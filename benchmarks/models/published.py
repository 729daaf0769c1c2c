"""The input and the classes that each network was published with, where they are not the catalog's."""

from typing import Any

from edgenet.models import get_entry
from edgenet.models.registry import factory_options

_IMAGENET = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext50_mixed", "densenet121", "densenet161", "densenet169", "densenet201", "vgg11", "vgg13", "vgg16", "vgg19",
    "vgg11_plain", "vgg13_plain", "vgg16_plain", "vgg19_plain", "alexnet", "googlenet", "convnext_tiny", "reactnet_a",
    "parnet", "randomly_wired",
)  # fmt: skip
_CIFAR = ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "vgg_small", "nin", "diracnet", "highway_cnn")


def published(name: str) -> tuple[int, dict[str, Any]]:
    """Classes, and options of the factory: 3x224x224 and 1,000 classes for the networks of ImageNet, 3x32x32 and 10 for
    those of CIFAR-10, what the catalog says for others."""
    known = factory_options(name)
    size = 224 if name in _IMAGENET else 32 if name in _CIFAR else None
    if size is None:
        return (96 if get_entry(name).task == "language-modelling" else 10), {}
    options = {"in_channels": 3, "input_size": size}
    return (1000 if name in _IMAGENET else 10), {key: value for key, value in options.items() if key in known}
