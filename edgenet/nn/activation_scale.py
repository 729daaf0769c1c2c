"""Scales of 1-bit activations: XNOR-Net's map K of a convolution, and its counterpart of a linear layer."""

import torch.nn.functional as F
from torch import Tensor, nn


def scale_map(x: Tensor, threshold: Tensor | None, convolution: nn.Conv2d) -> Tensor:
    """How large the activations under each position of a kernel are: K = A * k, with A the mean over channels of
    |x - threshold| and k the box filter of the kernel's size, in its strides; padding counts as 0.

    x [N, C, H, W] or [C, H, W], threshold [C, 1, 1] or None; K has the size of the convolution's output and one
    channel, with groups that of each output: [N, O, OH, OW].
    Source: Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279, eq. 11 and section 3.2, where there are no thresholds.
    """
    groups = convolution.groups
    magnitudes = _magnitudes(x, threshold)
    magnitudes = magnitudes.unflatten(-3, (groups, -1)).mean(-3) if groups > 1 else magnitudes.mean(-3, keepdim=True)
    padding = convolution._reversed_padding_repeated_twice
    if any(padding):
        magnitudes = F.pad(magnitudes, padding)
    if set(convolution.dilation) == {1}:
        scales = F.avg_pool2d(magnitudes, convolution.kernel_size, convolution.stride)
    else:
        height, width = convolution.kernel_size
        box = magnitudes.new_full((groups, 1, height, width), 1 / (height * width))
        scales = F.conv2d(magnitudes, box, None, convolution.stride, 0, convolution.dilation, groups)
    return scales if groups == 1 else scales.repeat_interleave(convolution.out_channels // groups, -3)


def row_scale(x: Tensor, threshold: Tensor | None) -> Tensor:
    """The mean of |x - threshold| over the features (beta of eq. 9): x [..., K], threshold [K] or None -> [..., 1]."""
    return _magnitudes(x, threshold).mean(-1, keepdim=True)


def _magnitudes(x: Tensor, threshold: Tensor | None) -> Tensor:
    return (x if threshold is None else x - threshold).abs()
