"""A picture of a string to its characters: CNN, RNN and connectionist temporal classification (CTC)."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.examples import random_lengths
from edgenet.models.recurrent_stack import RecurrentStack
from edgenet.models.registry import register_model
from edgenet.nn import PaddedBatchNorm2d, step_mask

MARGIN = 5
"""Empty columns on either side of a picture: about what convolutions that do not pad take away."""


class StringReader(nn.Module):
    """Convolutions, recurrent layers in both directions over the columns, and class scores for each of them.

    After Shi et al. 2017 (arXiv:1507.05717). Class 0 is the blank of CTC (Graves et al. 2006). The convolutions pad in
    height only, and what lies behind a picture's width is taken for zeros: padding changes no result.

    images [N, C, height, W], padded to the width of the widest; lengths [N] their own widths. For `xnor`, sign() takes
    the place of ReLU.
    """

    output_names: ClassVar[tuple[str, ...]] = ("logits", "steps")

    def __init__(
        self, activation: type[nn.Module], cell: str, num_classes: int, in_channels: int, height: int, width: int,
        hidden_size: int, num_layers: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (in_channels, height, 96)
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=(1, 0), bias=False)
        self.bn1 = PaddedBatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=(1, 0), bias=False)
        self.bn2 = PaddedBatchNorm2d(2 * width)
        self.conv3 = nn.Conv2d(2 * width, 4 * width, 3, padding=(1, 0), bias=False)
        self.bn3 = PaddedBatchNorm2d(4 * width)
        self.activation = activation()
        self.stack = RecurrentStack(cell, 4 * width * (height // 8), hidden_size, num_layers, bidirectional=True)
        self.fc = nn.Linear(self.stack.output_size, num_classes)

    def forward(self, images: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """-> (logits [N, T, classes], steps [N] of T that are real); T is about a quarter of the width."""
        widths = torch.full((images.shape[0],), images.shape[3], device=images.device) if lengths is None else lengths
        x = torch.where(step_mask(widths, images.shape[3]).t()[:, None, None], images, 0.0)
        first, second, steps = self.widths(widths)
        x = self.activation(self.bn1(F.max_pool2d(self.conv1(F.pad(x, (MARGIN, MARGIN))), 2), first))
        x = self.activation(self.bn2(F.max_pool2d(self.conv2(x), 2), second))
        x = self.activation(self.bn3(F.max_pool2d(self.conv3(x), (2, 1)), steps))
        output, _ = self.stack(x.permute(0, 3, 1, 2).flatten(2), None, steps)
        return self.fc(output), steps

    @staticmethod
    def widths(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How many columns each normalisation sees of pictures of these widths; the last are the steps."""
        first = (pixels + 2 * MARGIN - 2) // 2
        second = (first - 2) // 2
        return first, second, second - 2

    def example_inputs(self, samples: int) -> tuple[Tensor, Tensor]:
        """Made-up arguments of `forward`."""
        widths = random_lengths(samples, self.input_shape[-1])
        real = torch.arange(self.input_shape[-1]) < widths.view(-1, 1, 1, 1)
        return torch.where(real, torch.randn(samples, *self.input_shape), 0.0), widths


@register_model
def string_reader(
    num_classes: int = 11, scheme: str = "full", in_channels: int = 1, height: int = 32, width: int = 32,
    hidden_size: int = 128, num_layers: int = 1, cell: str = "lstm",
) -> StringReader:  # fmt: skip
    """CNN, recurrent layers and CTC over the columns of a picture; the classes are the blank and the characters."""
    activation = nn.Identity if scheme == "xnor" else nn.ReLU
    return StringReader(activation, cell, num_classes, in_channels, height, width, hidden_size, num_layers)
