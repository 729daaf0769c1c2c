import subprocess
import sys

import pytest
import torch
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.models.checkpointed import CheckpointedSequential
from edgenet.models.deep import PlainLayer, ResidualLayer, deep_plain_cnn, delta_orthogonal_

DEEPEST = 10_000
MEGABYTES = 900
"""What a step of 10,000 layers may take besides the interpreter. Their activations alone would be 1,900: 64 images of 4
channels and 8x8 places, 4 bytes each, three times a layer."""

STEP = f"""
import resource, torch
from edgenet.models import create
from edgenet.nn import binarize

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

images, classes = torch.randn(64, 1, 32, 32), torch.arange(64) % 10
before = peak()
model = create("{{name}}", scheme="{{scheme}}", width=4, depth={DEEPEST}).train()
optimizer = torch.optim.SGD(model.parameters(), 1e-3)
loss = torch.nn.functional.cross_entropy(model(images), classes)
loss.backward()
optimizer.step()
gradients = [layer.conv.weight.grad.norm() for layer in model.layers]
assert len(gradients) == {DEEPEST}
assert torch.isfinite(torch.stack(gradients)).all()
print(peak() - before, float(loss), float(gradients[0] / gradients[-1]))
"""


@pytest.mark.parametrize(("name", "scheme"), [("deep_plain_cnn", "full"), ("deep_resnet", "xnor")])
def test_ten_thousand_layers_are_built_and_take_a_step_in_bounded_memory(name, scheme):
    code = STEP.replace("{name}", name).replace("{scheme}", scheme)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    megabytes, loss, ratio = map(float, done.stdout.split())
    assert megabytes < MEGABYTES
    assert loss < 5
    # Neither vanished nor exploded on the way through all layers.
    assert 0.01 < ratio < 100


@pytest.mark.parametrize(("outputs", "inputs", "gain"), [(8, 8, 1.0), (12, 8, 1.0), (8, 8, 1.5)])
def test_a_delta_orthogonal_convolution_preserves_norms_times_its_gain(outputs, inputs, gain):
    weight = delta_orthogonal_(torch.empty(outputs, inputs, 3, 3), gain)
    x = torch.randn(4, inputs, 6, 6)
    y = nn.functional.conv2d(x, weight, padding=1)
    torch.testing.assert_close(y.flatten(1).norm(dim=1), gain * x.flatten(1).norm(dim=1))


def test_a_chain_of_delta_orthogonal_layers_without_tanh_is_an_isometry_however_long():
    model = deep_plain_cnn(width=6, depth=200)
    x = torch.randn(2, 6, 8, 8)
    y = x
    for layer in model.layers:
        y = layer.conv(y)
    torch.testing.assert_close(y.norm(), x.norm(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("shape", [(4, 8, 3, 3), (8, 8, 2, 2), (8, 8)])
def test_kernels_that_cannot_be_delta_orthogonal_are_refused(shape):
    with pytest.raises(EdgenetError, match="O >= I and k odd"):
        delta_orthogonal_(torch.empty(shape))


def test_binary_layers_begin_with_weights_everywhere_in_the_kernel():
    weight = PlainLayer(8, "bwn", 24).conv.weight
    assert (weight.abs() > 1e-6).float().mean() > 0.99
    torch.testing.assert_close(weight.flatten(1) @ weight.flatten(1).t(), torch.eye(8), rtol=0, atol=1e-5)


def test_shortcuts_take_the_place_of_tanh_where_all_is_signs():
    full, xnor = PlainLayer(4, "full", 9).eval(), PlainLayer(4, "xnor", 9).eval()
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(full(x), torch.tanh(full.conv(x)))
    torch.testing.assert_close(xnor(x), x + xnor.conv(x) / 3, rtol=1e-4, atol=1e-4)


def test_checkpoints_change_neither_results_nor_gradients_nor_statistics():
    plain = nn.Sequential(*(ResidualLayer(4, nn.ReLU, 7) for _ in range(7)))
    checkpointed = CheckpointedSequential(*(ResidualLayer(4, nn.ReLU, 7) for _ in range(7)))
    checkpointed.load_state_dict(plain.state_dict())
    x = torch.randn(3, 4, 5, 5)
    for chain in (plain, checkpointed):
        chain(x).square().sum().backward()
    for a, b in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, checkpointed.state_dict()[name]), name
    assert int(checkpointed[0].norm.num_batches_tracked) == 1


def test_checkpoints_keep_about_the_square_root_of_all_activations():
    def kept(chain):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            chain(torch.randn(2, 4, 5, 5, requires_grad=True))
        return sum(sizes)

    layers = [ResidualLayer(4, nn.ReLU, 64) for _ in range(64)]
    assert kept(CheckpointedSequential(*layers)) < kept(nn.Sequential(*layers)) / 8
