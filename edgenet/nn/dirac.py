"""Convolution with a skip connection inside its kernel."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DiracConv2d(nn.Module):
    """`y[o] = skip[o] * x[o] + gain[o] * conv(x, W[o] / |W[o]|)`, with |W[o]| the Euclidean norm of output o's weights.

    x [N, I, H, W], y [N, O, H, W]; skip, gain [O]; W [O, I, k, k], k odd, zero-padded. Outputs beyond the I inputs have
    no skip. It is one convolution with the kernel `skip * delta + gain * W / |W|`, delta the Dirac kernel: `folded()`.
    Once `conv` is binary, the skip stays a connection of its own, which the float values go by.
    Source: Zagoruyko and Komodakis 2017, DiracNets, arXiv:1706.00388, eq. 4 to 6; skip begins at 1 and gain at 0.1.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv = _convolution(in_channels, out_channels, kernel_size)
        self.skip = nn.Parameter(torch.ones(out_channels))
        self.gain = nn.Parameter(torch.full((out_channels,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.branch_factor().view(-1, 1, 1) + skip_connection(x, self.skip)

    def branch_factor(self) -> Tensor:
        """What the convolution is multiplied with [O]: `gain / |W|`."""
        return self.gain / self.conv.weight.flatten(1).norm(dim=1)

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """The same function as one convolution, of float weights."""
        weight = self.conv.weight * self.branch_factor().view(-1, 1, 1, 1)
        delta = nn.init.dirac_(torch.empty_like(weight))
        inputs, size = self.conv.in_channels, self.conv.kernel_size[0]
        folded = _convolution(inputs, self.conv.out_channels, size)
        folded.weight.copy_(weight + delta * self.skip.view(-1, 1, 1, 1))
        return folded


def _convolution(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)


def skip_connection(x: Tensor, skip: Tensor) -> Tensor:
    """`skip[c] * x[c]` of an image [N, I, H, W] as [N, O, H, W]; skip [O], zeros for outputs beyond the inputs."""
    shared = min(x.shape[1], len(skip))
    y = x[:, :shared] * skip[:shared].view(-1, 1, 1)
    return F.pad(y, (0, 0, 0, 0, 0, len(skip) - shared)) if shared < len(skip) else y
