"""A binary ResNet-18 is as much smaller than the full one as its weights are."""

import pytest
import torch

import edgenet
from edgenet.models import create
from edgenet.nn import calibrate
from edgenet.runtime.inspection import inspect


@pytest.fixture(scope="module")
def export_resnet18(tmp_path_factory):
    def export(scheme, ends):
        torch.manual_seed(0)
        network = create("resnet18", scheme=scheme, ends=ends)
        batch = torch.randn(8, 3, 32, 32)
        if scheme != "full":
            calibrate(network, batch)
        path = tmp_path_factory.mktemp("sizes") / f"{scheme}.onnx"
        return edgenet.export(network, batch, path, samples=batch).path

    return export


@pytest.fixture(scope="module")
def full(export_resnet18):
    return export_resnet18("full", "fp32")


@pytest.mark.parametrize(("ends", "ratio"), [("fp32", 19), ("int8", 27), ("binary", 28)])
def test_the_xnor_file_which_holds_more_than_the_bwn_one_is_smaller_by(ends, ratio, full, export_resnet18):
    path = export_resnet18("xnor", ends)
    assert full.stat().st_size / path.stat().st_size >= ratio
    assert path.stat().st_size < 1.03 * inspect(path).weight_bytes


def test_the_full_file_holds_the_network_of_the_literature(full):
    found = inspect(full)
    # 11,689,512 parameters with 1000 classes, of which 9,600 are of normalisations and 1,000 biases; here 10 classes.
    assert sum(layer.weights for layer in found.layers) == 11_689_512 - 9_600 - 1_000 - 990 * 512
    # At 224x224 the convolutions have 1,813,561,344 multiply-adds; 32x32 has 49 times fewer places.
    assert found.macs == 1_813_561_344 // 49 + 10 * 512
    assert found.binary_parameters == 0
