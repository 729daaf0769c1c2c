"""Scales of activations are exported as standard nodes beside the operator, which stays what it was."""

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import edgenet
from edgenet.nn import BinaryConv2d, BinaryLinear, DiracConv2d
from edgenet.runtime import library
from edgenet.runtime.inspection import inspect
from tests.exporter.networks import trained

SCALED = {"scheme": "xnor", "activation_scale": True}


class Scaled(nn.Module):
    """Every geometry that changes how the scales are computed, with normalisation on either side."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.BatchNorm2d(6), nn.BatchNorm2d(8)
        self.padded = BinaryConv2d(6, 8, 3, padding=1, **SCALED)
        self.strided = BinaryConv2d(8, 4, (3, 2), stride=(2, 1), padding=(2, 1), groups=2, **SCALED)
        self.dilated = BinaryConv2d(8, 4, 3, dilation=2, padding="same", bias=False, groups=2, **SCALED)
        self.even = BinaryConv2d(8, 4, 2, padding="same", threshold=False, **SCALED)
        self.dirac = DiracConv2d(8, 4)
        self.dirac.conv = BinaryConv2d.from_float(self.dirac.conv, **SCALED)
        self.hidden = BinaryLinear(16 * 9, 7, **SCALED)
        self.head = BinaryLinear(7, 5, bias=False, threshold=False, **SCALED)

    def forward(self, x):
        x = self.after(self.padded(self.before(x)))
        parts = [self.strided(x), self.dilated(x), self.even(x), self.dirac(x)]
        y = torch.cat([F.interpolate(part, (3, 3)) for part in parts], 1)
        return self.head(self.hidden(y.flatten(1)))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel", "ignore:sign.. gets one-sided input")
def test_native_and_portable_agree_with_torch(tmp_path):
    network = trained(Scaled(), 6, 9, 8)
    generator = torch.Generator().manual_seed(1)
    samples = torch.randn(200, 6, 9, 8, generator=generator)
    result = edgenet.export(network, samples[:1], tmp_path / "scaled.onnx", samples=samples)
    assert set(result.agreement) == ({"portable", "native"} if library.available() else {"portable"})
    assert min(result.agreement.values()) == 1
    assert max(result.max_abs_error.values()) < 1e-5
    nodes = [node for node in onnx.load(result.path).graph.node if node.domain == "edgenet"]
    assert sorted(node.op_type for node in nodes) == ["XnorConv2d"] * 5 + ["XnorLinear"] * 2
    layers = {layer.name: layer.precision for layer in inspect(result.path).layers}
    assert {layers[name] for name in ("padded", "strided", "dilated", "even", "dirac.conv", "hidden", "head")} == {
        "1x1"
    }
