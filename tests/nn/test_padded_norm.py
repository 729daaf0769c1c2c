import torch
from torch import nn

from edgenet.nn import PaddedBatchNorm2d


def test_statistics_in_training_are_those_of_the_real_columns():
    images, widths = torch.randn(2, 3, 4, 6), torch.tensor([6, 2])
    norm, plain = PaddedBatchNorm2d(3, momentum=1.0), nn.BatchNorm2d(3, momentum=1.0)
    found = norm(images, widths)
    real = torch.cat([images[0], images[1, ..., :2]], 2).unsqueeze(0)
    expected = plain(real)[0]
    torch.testing.assert_close(found[0], expected[..., :6])
    torch.testing.assert_close(found[1, ..., :2], expected[..., 6:])
    assert not found[1, ..., 2:].any()
    torch.testing.assert_close(norm.state_dict(), plain.state_dict())


def test_at_inference_and_without_widths_it_is_the_layer_of_torch():
    images, widths = torch.randn(2, 3, 4, 6), torch.tensor([6, 2])
    norm, plain = PaddedBatchNorm2d(3), nn.BatchNorm2d(3)
    torch.testing.assert_close(norm(images), plain(images))
    torch.testing.assert_close(norm.eval()(images, widths), plain.eval()(images))
