"""Verification notices a file that does not compute what torch computes."""

import copy

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from edgenet.errors import EdgenetError
from edgenet.exporter import verify
from edgenet.exporter.metadata import describe
from edgenet.exporter.pipeline import to_onnx
from edgenet.exporter.replacement import pack_layers
from edgenet.exporter.translation import signature
from tests.exporter.networks import Classifier, binarized


@pytest.fixture(scope="module")
def exported():
    network = binarized(Classifier(), "xnor", 1, 9, 9).eval()
    call = signature(network, torch.randn(2, 1, 9, 9))
    model = to_onnx(pack_layers(copy.deepcopy(network)), call, describe(network, call.sample_shape, None))
    x = torch.randn(200, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    return network, model, x


def damaged(model, name, change):
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    tensor = next(tensor for tensor in copied.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))
    return copied.SerializeToString()


def test_a_true_export_agrees(exported):
    network, model, x = exported
    found = verify(network, model.SerializeToString(), [x])
    assert found.samples == 200
    assert set(found.agreement.values()) == {1.0}
    assert max(found.max_abs_error.values()) < 1e-4


@pytest.mark.parametrize("random_samples", [False, True], ids=["given samples", "random samples"])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("body.1.weight", np.invert),
        ("body.1.weight", lambda rows: rows[:, ::-1]),
        ("body.1.threshold", lambda thresholds: thresholds + 1),
        ("body.1.scale", lambda scale: scale * 3),
        ("fc.weight", np.negative),
        ("fc.bias", lambda bias: bias * np.nan),
    ],
    ids=["inverted bits", "bytes in reverse", "thresholds", "scales", "a float layer", "not a number"],
)
def test_damage_is_noticed(exported, name, change, random_samples):
    network, model, x = exported
    with pytest.raises(EdgenetError, match="disagrees with torch on the portable path"):
        verify(network, damaged(model, name, change), [x], random_samples=random_samples)


def test_a_file_that_does_not_run_is_refused(exported):
    network, model, x = exported
    with pytest.raises(EdgenetError, match=r"cannot (be loaded|run)"):
        verify(network, damaged(model, "body.1.weight", lambda rows: rows[:, :-1]), [x])
