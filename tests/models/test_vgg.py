import onnx
import pytest
import torch
from torch import nn

import edgenet
from edgenet.models import create
from edgenet.nn import BinaryConv2d, BinaryLinear, calibrate

WIDTHS = [64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool"]
SMALL = {"classifier_size": 32}


def torchvision_shapes(num_classes: int, width: int = 4096) -> dict[str, list[int]]:
    """The state dict of torchvision.models.vgg16_bn: keys and shapes."""
    shapes: dict[str, list[int]] = {}
    number, inputs = 0, 3
    for entry in WIDTHS:
        if entry == "pool":
            number += 1
            continue
        shapes[f"features.{number}.weight"] = [entry, inputs, 3, 3]
        shapes[f"features.{number}.bias"] = [entry]
        for key in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"features.{number + 1}.{key}"] = [entry]
        shapes[f"features.{number + 1}.num_batches_tracked"] = []
        number, inputs = number + 3, entry
    for index, shape in {0: [width, 512 * 7 * 7], 3: [width, width], 6: [num_classes, width]}.items():
        shapes |= {f"classifier.{index}.weight": shape, f"classifier.{index}.bias": shape[:1]}
    return shapes


@pytest.mark.parametrize("scheme", ["full", "bwn"])
def test_state_dict_is_torchvisions(scheme):
    with torch.device("meta"):
        model = create("vgg16", 1000, scheme)
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes == torchvision_shapes(1000)
    assert len(shapes) == 97
    assert sum(parameter.numel() for parameter in model.parameters()) == 138_365_992


def test_xnor_adds_thresholds_and_the_normalisation_of_the_classifier():
    keys = create("vgg16", 10, "xnor", **SMALL).state_dict().keys()
    assert torchvision_shapes(10).keys() <= keys
    added = {key for key in keys - torchvision_shapes(10).keys() if not key.endswith(".threshold")}
    assert {key.rpartition(".")[0] for key in added} == {"classifier.1", "classifier.4"}


def test_added_normalisation_is_loaded_where_the_weights_hold_it():
    trained, other = (create("vgg16", 10, "xnor", **SMALL) for _ in range(2))
    nn.init.normal_(trained.classifier[1].weight)
    other.load_state_dict(trained.state_dict())
    assert torch.equal(other.classifier[1].weight, trained.classifier[1].weight)
    damaged = trained.state_dict()
    del damaged["classifier.1.running_var"]
    with pytest.raises(RuntimeError, match=r"classifier\.1\.running_var"):
        other.load_state_dict(damaged)


def test_xnor_pools_before_it_normalises_and_has_no_relu_before_a_sign():
    model = create("vgg16", 10, "xnor", **SMALL)
    layers = [m for m in model.modules() if not list(m.children()) and not isinstance(m, nn.Identity)]
    order = [type(layer).__name__.removeprefix("Added") for layer in layers]
    single, pooled = ["BinaryConv2d", "BatchNorm2d"], ["BinaryConv2d", "MaxPool2d", "BatchNorm2d"]
    stages = [single + pooled] * 2 + [single + single + pooled] * 3
    expected = [name for stage in stages for name in stage]
    expected[0] = "Int8Conv2d"
    assert order == [*expected, *["BinaryLinear", "BatchNorm1d"] * 2, "ReLU", "Int8Linear"]


@pytest.mark.parametrize(("ends", "binary"), [("fp32", 14), ("binary", 16)])
def test_ends_are_the_first_convolution_and_the_last_linear_layer(ends, binary):
    model = create("vgg16", 10, "xnor", ends=ends, **SMALL)
    kept = [row.name for row in model.binarization_report.kept]
    assert kept == ([] if ends == "binary" else ["features.0", "classifier.6"])
    assert sum(isinstance(m, BinaryConv2d | BinaryLinear) for m in model.modules()) == binary


def test_other_input_sizes_and_channels_work():
    model = create("vgg16", 10, in_channels=1, input_size=64, **SMALL).eval()
    assert model.input_shape == (1, 64, 64)
    assert model(torch.zeros(1, 1, 64, 64)).shape == (1, 10)


def test_no_average_pooling_is_exported_where_it_is_the_identity(tmp_path):
    model = create("vgg16", 10, "xnor", input_size=224, **SMALL)
    images = torch.randn(2, 3, 224, 224)
    calibrate(model, images)
    with torch.no_grad():
        model.classifier[6].bias[0] += 10  # without training only rounding would decide between classes
    result = edgenet.export(model, images[:1], tmp_path / "vgg16.onnx", samples=images)
    kinds = {node.op_type for node in onnx.load(result.path).graph.node}
    assert not {kind for kind in kinds if "Pool" in kind or "Reduce" in kind} - {"MaxPool", "SignMaxPool2d"}
