import pytest
import torch
from torch import nn

from edgenet.models import create
from edgenet.nn import BinaryConv2d, BinaryLinear


def torchvision_shapes(num_classes: int) -> dict[str, list[int]]:
    """The state dict of torchvision.models.resnet18: keys and shapes."""
    shapes: dict[str, list[int]] = {"conv1.weight": [64, 3, 7, 7]}

    def batch_norm(name: str, width: int) -> None:
        for key in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{key}"] = [width]
        shapes[f"{name}.num_batches_tracked"] = []

    batch_norm("bn1", 64)
    inputs = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            prefix = f"layer{stage}.{block}"
            shapes[f"{prefix}.conv1.weight"] = [width, inputs, 3, 3]
            batch_norm(f"{prefix}.bn1", width)
            shapes[f"{prefix}.conv2.weight"] = [width, width, 3, 3]
            batch_norm(f"{prefix}.bn2", width)
            if inputs != width:
                shapes[f"{prefix}.downsample.0.weight"] = [width, inputs, 1, 1]
                batch_norm(f"{prefix}.downsample.1", width)
            inputs = width
    shapes |= {"fc.weight": [num_classes, 512], "fc.bias": [num_classes]}
    return shapes


@pytest.mark.parametrize("scheme", ["full", "bwn"])
def test_state_dict_is_torchvisions(scheme):
    model = create("resnet18", 1000, scheme)
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes == torchvision_shapes(1000)
    assert len(shapes) == 122
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_689_512


def test_xnor_adds_nothing_but_thresholds():
    keys = create("resnet18", 10, "xnor").state_dict().keys()
    added = keys - torchvision_shapes(10).keys()
    assert torchvision_shapes(10).keys() <= keys
    assert sorted(key.rpartition(".")[2] for key in added) == ["threshold"] * 16


@pytest.mark.parametrize(
    ("ends", "binary", "float_layers"),
    [("fp32", 16, ["conv1", "layer2.0.downsample.0", "layer3.0.downsample.0", "layer4.0.downsample.0", "fc"]),
     ("binary", 21, [])],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
def test_ends_are_stem_classifier_and_shortcut_projections(scheme, ends, binary, float_layers):
    model = create("resnet18", 10, scheme, ends=ends)
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    kept = [name for name, m in layers.items() if not isinstance(m, BinaryConv2d | BinaryLinear)]
    assert sorted(kept) == sorted(float_layers)
    assert len(layers) - len(kept) == binary
    assert [row.name for row in model.binarization_report.kept] != [] or ends == "binary"


def test_xnor_has_a_shortcut_over_every_convolution():
    model = create("resnet18", 10, "xnor").eval()
    block = model.layer1[0]
    x = torch.randn(2, 64, 8, 8)
    first = block.bn1(block.conv1(x)) + x
    torch.testing.assert_close(block(x), block.bn2(block.conv2(first)) + first)


def test_other_input_sizes_and_channels_work():
    model = create("resnet18", 10, in_channels=1, input_size=64)
    assert model.input_shape == (1, 64, 64)
    assert model.eval()(torch.zeros(1, 1, 64, 64)).shape == (1, 10)
