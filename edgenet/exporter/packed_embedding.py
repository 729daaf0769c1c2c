"""What embeddings become for export: the rows of the tokens, gathered as they are stored, then unpacked.

Standard nodes, a handful: the file and a running network hold the table in bits, or in int8, and nothing else of it.
"""

import numpy as np
import torch
from torch import Tensor, nn

from edgenet.exporter.packed import standard_node
from edgenet.nn import pack_bits
from edgenet.nn.embeddings import BinaryEmbedding, Int8Embedding


class PackedEmbedding(nn.Module):
    """`scale[token] * row(token)` of a table [V, ...] that is stored in few bits; tokens int64 [...] -> [..., D]."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale.detach().clone())

    def _gathered(self, tokens: Tensor) -> Tensor:
        shape = [*tokens.shape, self.weight.shape[1]]
        return standard_node("Gather", [self.weight, tokens], shape, self.weight.dtype, axis=0)

    def _scaled(self, rows: Tensor, tokens: Tensor) -> Tensor:
        return rows * standard_node("Gather", [self.scale, tokens], tokens.shape, torch.float32, axis=0).unsqueeze(-1)


class PackedBinaryEmbedding(PackedEmbedding):
    """Rows of packed bits, as `export/SPEC.md` lays them out: each weight's byte is fetched, its bit taken out."""

    byte: Tensor
    mask: Tensor

    def __init__(self, layer: BinaryEmbedding) -> None:
        super().__init__(torch.from_numpy(pack_bits(layer.weight.detach().numpy())), layer.scaling_factor())
        places = np.arange(layer.embedding_dim)
        self.register_buffer("byte", torch.from_numpy(places // 8).to(torch.int32))
        self.register_buffer("mask", torch.from_numpy(1 << places % 8).to(torch.uint8))

    def forward(self, tokens: Tensor) -> Tensor:
        shape = [*tokens.shape, len(self.mask)]
        rows = standard_node("Gather", [self._gathered(tokens), self.byte], shape, torch.uint8, axis=-1)
        bits = standard_node("BitwiseAnd", [rows, self.mask], shape, torch.uint8)
        signs = torch.where(bits.bool(), torch.tensor(1.0), torch.tensor(-1.0))
        return self._scaled(signs, tokens)


class PackedInt8Embedding(PackedEmbedding):
    """Rows of int8."""

    def __init__(self, layer: Int8Embedding) -> None:
        weight, scale = layer.quantized_weight()
        super().__init__(weight.detach().to(torch.int8), scale)

    def forward(self, tokens: Tensor) -> Tensor:
        return self._scaled(self._gathered(tokens).float(), tokens)
