"""Scales of 1-bit activations: XNOR-Net's map K of a convolution, and its counterpart of a linear layer."""

import math

import torch.nn.functional as F
from torch import Tensor

from edgenet.nn.drop_in import DropInConvolution


def scale_map(x: Tensor, threshold: Tensor | None, convolution: DropInConvolution) -> Tensor:
    """How large the activations under each position of a kernel are: K = A * k, with A the mean over channels of
    |x - threshold| and k the box filter of the kernel's size, in its strides; padding counts as 0.

    x [N, C, H, W] or [C, H, W], threshold [C, 1, 1] or None; K has the size of the convolution's output and one
    channel, with groups that of each output: [N, O, OH, OW]. Over sequences the same without H.
    Source: Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279, eq. 11 and section 3.2, where there are no thresholds.
    """
    groups, channel = convolution.groups, -1 - convolution.axes
    magnitudes = _magnitudes(x, threshold)
    if groups > 1:
        magnitudes = magnitudes.unflatten(channel, (groups, -1)).mean(channel)
    else:
        magnitudes = magnitudes.mean(channel, keepdim=True)
    padding = convolution._reversed_padding_repeated_twice
    if any(padding):
        magnitudes = F.pad(magnitudes, padding)
    scales = _box_filter(magnitudes, convolution)
    return scales if groups == 1 else scales.repeat_interleave(convolution.out_channels // groups, channel)


def _box_filter(magnitudes: Tensor, convolution: DropInConvolution) -> Tensor:
    """The mean of what a kernel of the convolution's geometry covers, group by group."""
    kernel, strides = convolution.kernel_size, convolution.stride
    over_images = convolution.axes == 2
    if set(convolution.dilation) == {1}:
        pool = F.avg_pool2d if over_images else F.avg_pool1d
        return pool(magnitudes, kernel, strides)
    convolve = F.conv2d if over_images else F.conv1d
    box = magnitudes.new_full((convolution.groups, 1, *kernel), 1 / math.prod(kernel))
    return convolve(magnitudes, box, None, strides, 0, convolution.dilation, convolution.groups)


def row_scale(x: Tensor, threshold: Tensor | None) -> Tensor:
    """The mean of |x - threshold| over the features (beta of eq. 9): x [..., K], threshold [K] or None -> [..., 1]."""
    return _magnitudes(x, threshold).mean(-1, keepdim=True)


def _magnitudes(x: Tensor, threshold: Tensor | None) -> Tensor:
    return (x if threshold is None else x - threshold).abs()
