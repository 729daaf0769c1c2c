"""Embeddings of tokens, such as words and characters, in one bit or eight bits a weight."""

from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.nn.drop_in import DropIn
from edgenet.nn.estimators import Estimator
from edgenet.nn.functional import quantize_int8, scaled_sign
from edgenet.nn.layers import BinaryLayer


class DropInEmbedding(DropIn, nn.Embedding):
    """An embedding with the sizes of `torch.nn.Embedding`."""

    @classmethod
    def from_float(cls, layer: nn.Embedding, **options: Any) -> Self:
        """The version of a float embedding, on the same parameters; options as in the constructor."""
        made = cls(
            layer.num_embeddings, layer.embedding_dim, layer.padding_idx,
            device=layer.weight.device, dtype=layer.weight.dtype, **options,
        )  # fmt: skip
        made.adopt(layer)
        return made

    def _rows(self, tokens: Tensor) -> Tensor:
        """The latent weights of the tokens, one row each: nothing is computed of those that do not occur."""
        return F.embedding(tokens, self.weight, self.padding_idx).flatten(0, -2)


class BinaryEmbedding(BinaryLayer, DropInEmbedding):
    """Drop-in for `torch.nn.Embedding` with 1-bit weights: `y = scale[token] * sign(weight[token])`.

    tokens, int64 of any shape [...] -> y [..., D]; weight [V, D]; scale [V], by default the mean magnitude of the row
    (Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279, eq. 6, with a row for a filter). The row of `padding_idx`, zeros
    in the float embedding, stays zero: its scale is. Raises EdgenetError for an unknown scale or estimator.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *,
        weight_estimator: str | Estimator = "ste", scale: str = "mean",
        device: torch.device | str | None = None, dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        nn.Embedding.__init__(self, num_embeddings, embedding_dim, padding_idx, device=device, dtype=dtype)
        self._make_binary(embedding_dim, "bwn", weight_estimator, weight_estimator, scale, False)

    def forward(self, tokens: Tensor) -> Tensor:
        scale = None if self.scale is None else F.embedding(tokens, self.scale.unsqueeze(1)).flatten()
        rows = scaled_sign(self._rows(tokens), scale, self.weight_estimator)
        return rows.view(*tokens.shape, self.embedding_dim)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, scheme=bwn, scale={self.scale_kind}"


class Int8Embedding(DropInEmbedding):
    """Drop-in for `torch.nn.Embedding` with 8-bit weights: `y = scale[token] * round(weight[token] / scale[token])`.

    tokens, int64 of any shape [...] -> y [..., D]; weight [V, D]; scale [V] is max |weight[token]| / 127. The rounding
    passes gradients on as they come.
    """

    def quantized_weight(self) -> tuple[Tensor, Tensor]:
        """Whole numbers from -127 to 127 [V, D], and max |weight| / 127 of each row [V]."""
        weight, scale = quantize_int8(self.weight, (1,))
        return weight, scale.flatten()

    def forward(self, tokens: Tensor) -> Tensor:
        rows, scale = quantize_int8(self._rows(tokens), (1,))
        return (rows * scale).view(*tokens.shape, self.embedding_dim)


def reason_to_keep(layer: nn.Embedding) -> str:
    """Why an embedding has no version in fewer bits; empty where it has one."""
    if layer.max_norm is not None:
        return "an embedding that renormalises its rows (max_norm)"
    return "an embedding with sparse gradients" if layer.sparse else ""
