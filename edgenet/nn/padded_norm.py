"""Batch normalisation of images of unequal widths."""

import torch
from torch import Tensor, nn

from edgenet.nn.sequences import step_mask


class PaddedBatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` of images [N, C, H, W] that are padded behind their widths [N].

    In training the statistics are those of the real columns alone, and what is padding becomes 0. At inference, or
    without widths, it is the layer of torch, and is exported as such.
    """

    def forward(self, x: Tensor, widths: Tensor | None = None) -> Tensor:
        if widths is None or not self.training:
            return self.normalise(x)
        columns = x.permute(0, 3, 1, 2)
        mask = step_mask(widths, x.shape[3]).t()
        normalised = torch.zeros_like(columns)
        normalised[mask] = self.normalise(columns[mask].unsqueeze(3)).squeeze(3)
        return normalised.permute(0, 2, 3, 1)

    def normalise(self, x: Tensor) -> Tensor:
        """The layer of torch."""
        return super().forward(x)
