"""One-to-many: a picture's caption, by a CNN encoder and a recurrent decoder with attention."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.models.encoder_decoder import AttentionDecoder, Encoder, EncoderDecoder
from edgenet.models.registry import register_model


class ImageEncoder(Encoder):
    """Three 3x3 convolutions; the memory is one vector a place of the last feature map, row by row.

    In the order convolution, pooling, normalisation a binary layer sees sign() of a normalised value (XNOR-Net,
    arXiv:1603.05279, section 3.2): for `xnor`, sign() takes the place of ReLU.
    """

    def __init__(
        self, activation: type[nn.Module], in_channels: int, width: int, state_tensors: int, state_size: int
    ) -> None:
        super().__init__(4 * width, state_tensors)
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.conv3 = nn.Conv2d(2 * width, 4 * width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.activation = activation()
        self.add_bridge(state_size)

    def forward(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """images [N, C, H, W], all of one size whatever `widths` says -> memory [N, S, M], state, lengths of it [N]."""
        x = self.activation(self.bn1(F.max_pool2d(self.conv1(images), 2)))
        x = self.activation(self.bn2(F.max_pool2d(self.conv2(x), 2)))
        memory = torch.tanh(self.bn3(self.conv3(x))).flatten(2).transpose(1, 2)
        places = torch.full((images.shape[0],), memory.shape[1], device=images.device)
        return memory, self.first_state(memory.mean(1)), places


@register_model
def captioner(
    num_classes: int = 32, scheme: str = "full", in_channels: int = 1, input_size: int = 28, width: int = 32,
    embedding_size: int = 32, hidden_size: int = 128, cell: str = "lstm",
) -> EncoderDecoder:  # fmt: skip
    """CNN encoder and recurrent decoder with attention to places of the picture (Xu et al. 2015, Show, attend and tell,
    arXiv:1502.03044, soft attention); the classes are the vocabulary."""
    activation = nn.Identity if scheme == "xnor" else nn.ReLU
    encoder = ImageEncoder(activation, in_channels, width, 2 if cell == "lstm" else 1, hidden_size)
    decoder = AttentionDecoder(cell, num_classes, embedding_size, hidden_size, 1, encoder.memory_size)
    return EncoderDecoder(encoder, decoder, (in_channels, input_size, input_size))
