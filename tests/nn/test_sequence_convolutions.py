"""Convolutions over sequences are those over images of one row."""

import pytest
import torch

from edgenet.nn import BinaryConv1d, BinaryConv2d, Int8Conv1d, Int8Conv2d
from tests.nn.test_layers import filled

GEOMETRIES = [
    {"kernel_size": 3},
    {"kernel_size": 5, "stride": 2, "padding": 3},
    {"kernel_size": 3, "dilation": 3, "groups": 2, "padding": "same", "bias": False},
]
KINDS = [
    (BinaryConv1d, BinaryConv2d, {"scheme": "xnor", "scale": "learnable"}),
    (BinaryConv1d, BinaryConv2d, {"scheme": "xnor", "activation_scale": True}),
    (BinaryConv1d, BinaryConv2d, {"scheme": "bwn"}),
    (BinaryConv1d, BinaryConv2d, {"scheme": "bwn", "activations": "int8"}),
    (Int8Conv1d, Int8Conv2d, {}),
]


def over_images(make, geometry, **options):
    """The layer of the same geometry over images of one row."""
    rows = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
    geometry = {name: (rows[name], value) if name in rows and value != "same" else value
                for name, value in geometry.items()}  # fmt: skip
    return make(4, 6, **geometry, **options)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("over_sequences", "make_over_images", "options"), KINDS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_outputs_and_gradients_are_those_of_images_of_one_row(
    geometry, over_sequences, make_over_images, options, training
):
    layer = filled(over_sequences(4, 6, **geometry, **options)).train(training)
    images = over_images(make_over_images, geometry, **options).train(training)
    state = {name: value.unsqueeze(-2) if name == "weight" else value for name, value in layer.state_dict().items()}
    images.load_state_dict(state)
    x = torch.randn(3, 4, 17).requires_grad_()
    other = x.detach().unsqueeze(-2).requires_grad_()
    y, expected = layer(x), images(other).squeeze(-2)
    torch.testing.assert_close(y, expected, rtol=1e-6, atol=1e-6)
    y.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x.grad, other.grad.squeeze(-2), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.weight.grad, images.weight.grad.squeeze(-2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("over_sequences", "_", "options"), KINDS)
def test_a_sequence_without_a_batch_is_a_batch_of_one(over_sequences, _, options):
    layer = filled(over_sequences(4, 6, 3, **options)).eval()
    x = torch.randn(4, 9)
    torch.testing.assert_close(layer(x), layer(x[None])[0])
