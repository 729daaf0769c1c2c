import pytest
import torch
from torch import nn

from edgenet.models import create
from edgenet.nn import BinaryConv2d, BinaryLinear

DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}
PARAMETERS = {"resnet18": 11_689_512, "resnet50": 25_557_032}
"""At 1000 classes, as torchvision states them."""


def torchvision_shapes(name: str, num_classes: int) -> dict[str, list[int]]:
    """The state dict of torchvision.models' network of that name: keys and shapes."""
    shapes: dict[str, list[int]] = {}

    def convolution(prefix: str, norm: str, *shape: int) -> None:
        shapes[f"{prefix}.weight"] = list(shape)
        for key in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{key}"] = [shape[0]]
        shapes[f"{norm}.num_batches_tracked"] = []

    convolution("conv1", "bn1", 64, 3, 7, 7)
    inputs = 64
    for stage, (width, depth) in enumerate(zip((64, 128, 256, 512), DEPTHS[name], strict=True), start=1):
        outputs = 4 * width if name == "resnet50" else width
        for block in range(depth):
            prefix = f"layer{stage}.{block}"
            kernels = [(width, inputs, 3), (width, width, 3)]
            if name == "resnet50":
                kernels = [(width, inputs, 1), (width, width, 3), (outputs, width, 1)]
            for number, (rows, channels, size) in enumerate(kernels, start=1):
                convolution(f"{prefix}.conv{number}", f"{prefix}.bn{number}", rows, channels, size, size)
            if block == 0 and (inputs != outputs or stage > 1):
                convolution(f"{prefix}.downsample.0", f"{prefix}.downsample.1", outputs, inputs, 1, 1)
            inputs = outputs
    return shapes | {"fc.weight": [num_classes, inputs], "fc.bias": [num_classes]}


@pytest.mark.parametrize("scheme", ["full", "bwn"])
@pytest.mark.parametrize("name", DEPTHS)
def test_state_dict_is_torchvisions(name, scheme):
    model = create(name, 1000, scheme)
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert shapes == torchvision_shapes(name, 1000)
    assert len(shapes) == {"resnet18": 122, "resnet50": 320}[name]
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize(("name", "convolutions"), [("resnet18", 16), ("resnet50", 48)])
def test_xnor_adds_nothing_but_thresholds(name, convolutions):
    keys = create(name, 10, "xnor").state_dict().keys()
    added = keys - torchvision_shapes(name, 10).keys()
    assert torchvision_shapes(name, 10).keys() <= keys
    assert sorted(key.rpartition(".")[2] for key in added) == ["threshold"] * convolutions


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


def test_xnor_bottlenecks_hand_on_signs_inside_and_floats_on_the_shortcut():
    model = create("resnet50", 10, "xnor").eval()
    block = model.layer2[0]
    x = torch.randn(2, 256, 8, 8)
    inside = block.bn2(block.conv2(block.bn1(block.conv1(x))))
    assert inside.shape == (2, 128, 4, 4)
    torch.testing.assert_close(block(x), block.bn3(block.conv3(inside)) + block.downsample(x))


def test_other_input_sizes_and_channels_work():
    model = create("resnet18", 10, in_channels=1, input_size=64)
    assert model.input_shape == (1, 64, 64)
    assert model.eval()(torch.zeros(1, 1, 64, 64)).shape == (1, 10)
