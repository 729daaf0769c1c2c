"""What is special about a network's binary topology, a network at a time."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.models import create, get_entry, load_pretrained
from edgenet.models.convnext import ChannelNorm, ConvNeXtBlock
from edgenet.models.reactnet import RPReLU, ShortcutConvolution
from edgenet.models.resnet_cifar import PaddedShortcut
from edgenet.models.resnext import MixedConv2d
from edgenet.nn import BinaryLayer


def make(name, scheme="xnor", **options):
    return create(name, 4, scheme, **{**get_entry(name).small, **options})


def kept_or_quantized(model):
    return [row.name for row in model.binarization_report if row.action != "binarized"]


def test_the_padded_shortcut_takes_every_second_place_and_adds_channels_of_zeros():
    x = torch.randn(2, 3, 6, 6)
    y = PaddedShortcut(3, 8, 2)(x)
    assert y.shape == (2, 8, 3, 3)
    assert torch.equal(y[:, 2:5], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 5:].any()


@pytest.mark.parametrize(("name", "layers"), [("resnet20", 20), ("resnet32", 32), ("resnet44", 44), ("resnet56", 56),
                                              ("resnet110", 110)])  # fmt: skip
def test_resnets_for_cifar_have_as_many_layers_as_they_are_called_after(name, layers):
    model = create(name, width=2)
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == layers


def test_resnets_for_cifar_have_a_shortcut_over_every_xnor_convolution():
    block = make("resnet20").eval().layer2[0]
    x = torch.randn(2, 8, 6, 6)
    first = block.bn1(block.conv1(x)) + block.downsample(x)
    torch.testing.assert_close(block(x), block.bn2(block.conv2(first)) + first)


def test_mixed_paths_see_their_own_channels_through_filters_of_their_own_size():
    mixed = MixedConv2d(8, 2, 4, (3, 5))
    x = torch.randn(2, 8, 9, 9)
    expected = [
        F.conv2d(x[:, :4], mixed.convolutions[0].weight, stride=2, padding=1, groups=2),
        F.conv2d(x[:, 4:], mixed.convolutions[1].weight, stride=2, padding=2, groups=2),
    ]
    torch.testing.assert_close(mixed(x), torch.cat(expected, 1))


def test_paths_of_resnext_are_groups_of_the_3x3_convolution():
    model = create("resnext50_32x4d", scheme="bwn")
    assert {block.conv2.groups for block in model.layer3} == {32}
    assert isinstance(model.layer3[0].conv2, BinaryLayer)


def test_ends_of_densenet_are_stem_classifier_and_transitions():
    ends = ["features.conv0", *(f"features.transition{index}.conv" for index in (1, 2, 3)), "classifier"]
    assert kept_or_quantized(make("densenet121", depths=(1, 1, 1, 1))) == ends


def test_densenet_normalises_before_every_sign_and_hands_its_input_on():
    layer = make("densenet121").eval().features.denseblock1.denselayer1
    x = torch.randn(2, 32, 5, 5)
    y = layer(x)
    assert torch.equal(y[:, :32], x)
    torch.testing.assert_close(y[:, 32:], layer.conv2(layer.norm2(layer.conv1(layer.norm1(x)))))


def test_weights_of_densenet_as_torchvision_offers_them_load():
    trained, model = make("densenet121", "full"), make("densenet121", "full")
    old = {
        key.replace("norm1.", "norm.1.").replace("norm2.", "norm.2.").replace("conv1.", "conv.1.")
        .replace("conv2.", "conv.2."): tensor
        for key, tensor in trained.state_dict().items()
    }  # fmt: skip
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert load_pretrained(model, old) == []
    assert all(torch.equal(tensor, trained.state_dict()[key]) for key, tensor in model.state_dict().items())
    with pytest.raises(EdgenetError, match=r"'features\.norm9\.weight', which the network does not have"):
        load_pretrained(model, old | {"features.norm9.weight": torch.zeros(1)})


def test_weights_of_a_network_without_linear_layers_load_for_other_classes():
    trained, model = create("nin", 9, divisor=8), create("nin", 4, divisor=8)
    notes = load_pretrained(model, trained.state_dict())
    assert [note.split(" ")[0] for note in notes] == ["classifier.weight", "classifier.bias"]
    assert torch.equal(model.features[0].weight, trained.features[0].weight)


def test_channel_norm_normalises_every_place_by_itself():
    y = ChannelNorm(6)(torch.randn(2, 6, 3, 3) * 5 + 2)
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2, 3, 3), atol=1e-3, rtol=0)


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
def test_convnext_keeps_depthwise_convolutions_and_makes_its_linear_layers_binary(scheme):
    report = {row.name: row for row in make("convnext_tiny", scheme).binarization_report}
    assert report["features.1.0.block.0"].reason.startswith("depthwise convolution")
    assert {report[f"features.1.0.block.{index}"].action for index in (3, 5)} == {"binarized"}
    assert report["features.2.1"].scheme == scheme


def test_convnext_for_xnor_passes_float_values_by_its_downsampling():
    layer = make("convnext_tiny").eval().features[2]
    x = torch.randn(2, 16, 4, 4)
    averages = F.avg_pool2d(x, 2)
    torch.testing.assert_close(layer(x), layer[1](layer[0](x)) + torch.cat([averages, averages], 1))


def test_stochastic_depth_drops_samples_in_training_and_keeps_the_mean():
    block = ConvNeXtBlock(4, nn.GELU, drop=0.5)
    nn.init.ones_(block.layer_scale)
    x = torch.randn(1, 4, 5, 5).expand(64, 4, 5, 5)
    with torch.no_grad():
        whole, some = block.eval()(x) - x, block.train()(x) - x
    kept = some.flatten(1).abs().amax(1) > 0
    assert 0 < kept.sum() < 64
    torch.testing.assert_close(some[kept], 2 * whole[kept])


def test_rprelu_shifts_bends_and_shifts_again():
    activation = RPReLU(2)
    with torch.no_grad():
        activation.shift.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1))
        activation.offset.copy_(torch.tensor([0.5, 0.0]).view(2, 1, 1))
    y = activation(torch.tensor([3.0, -3.0]).view(1, 2, 1, 1))
    assert y.flatten().tolist() == [3.0 - 1.0 + 0.5, 0.25 * (-3.0 + 1.0)]


@pytest.mark.parametrize(("stride", "copies"), [(1, 1), (2, 1), (1, 2)])
def test_reactnet_adds_the_input_to_every_convolution(stride, copies):
    unit = ShortcutConvolution(4, 3, stride, copies).eval()
    x = torch.randn(2, 4, 6, 6)
    added = F.avg_pool2d(x, 2) if stride == 2 else x
    parts = [norm(layer(x)) + added for layer, norm in zip(unit.convolutions, unit.norms, strict=True)]
    torch.testing.assert_close(unit(x), unit.activation(torch.cat(parts, 1)))
    assert unit(x).shape == (2, 4 * copies, 6 // stride, 6 // stride)


@pytest.mark.parametrize("name", ["alexnet", "vgg11_plain", "vgg_small", "nin", "googlenet"])
def test_no_relu_stands_before_an_xnor_layer(name):
    model, ends = make(name), []
    for key, layer in model.named_modules():
        if isinstance(layer, BinaryLayer):
            layer.register_forward_pre_hook(lambda _, inputs, key=key: ends.append((key, inputs[0].min() < 0)))
    model.train()(torch.randn(8, *model.input_shape))
    assert ends
    assert [key for key, has_negative in ends if not has_negative] == []


def test_alexnet_of_two_groups_splits_its_second_fourth_and_fifth_convolution():
    model = make("alexnet", "bwn", groups=2)
    groups = [m.groups for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert groups == [1, 2, 1, 2, 2]
