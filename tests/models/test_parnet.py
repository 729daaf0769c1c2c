import torch
from torch import nn

from edgenet.models import create
from edgenet.models.parnet import Downsampling, ParNetBlock, alternate
from edgenet.nn import BinaryConv2d


def test_the_streams_run_side_by_side_at_three_sizes():
    model = create("parnet").eval()
    sizes = {}
    for name in ("stream1", "stream2", "stream3"):
        getattr(model, name).register_forward_hook(lambda _, inputs, y, name=name: sizes.update({name: y.shape[-1]}))
    model(torch.randn(1, *model.input_shape))
    assert sizes == {"stream1": 8, "stream2": 4, "stream3": 2}


def test_a_block_adds_up_branches_that_all_see_its_input():
    block = ParNetBlock(4, nn.SiLU).eval()
    x = torch.randn(2, 4, 5, 5)
    skip = block.norm(x)
    gate = torch.sigmoid(block.excitation(skip.mean((2, 3), keepdim=True)))
    branches = block.conv_norm(block.conv(x)) + block.pointwise_norm(block.pointwise(x)) + gate * skip
    torch.testing.assert_close(block(x), nn.functional.silu(branches))


def test_downsampling_halves_the_size_and_is_scaled_by_what_it_sees():
    block = Downsampling(4, 6, nn.Identity).eval()
    with torch.no_grad():
        block.excitation.weight.zero_()
        block.excitation.bias.zero_()
    x = torch.randn(2, 4, 8, 8)
    half = block(x)
    assert half.shape == (2, 6, 4, 4)
    with torch.no_grad():
        block.excitation.bias.fill_(1000.0)
    torch.testing.assert_close(block(x), 2 * half)


def test_fused_streams_alternate_so_that_each_group_sees_both():
    a, b = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    assert alternate(a, b)[0, :, 0, 0].tolist() == [0, 1, 0, 1, 0, 1]


def test_the_streams_of_the_binary_network_are_binary_and_lose_their_activation():
    model = create("parnet", scheme="xnor")
    block = model.stream2[0]
    assert isinstance(block.conv, BinaryConv2d)
    assert isinstance(block.pointwise, BinaryConv2d)
    assert isinstance(block.activation, nn.Identity)
