"""Layers whose weights are random signs that are never trained: they are stored as packed bits, whatever the scheme."""

import math
from typing import Any

import torch
from torch import Tensor

from edgenet.errors import EdgenetError
from edgenet.nn.layers import BinaryConv2d, BinaryLayer, BinaryLinear
from edgenet.nn.packing import pack_bits, unpack_bits

FROZEN = "frozen random signs"


class FrozenLayer(BinaryLayer):
    """What the frozen layers have in common.

    `weight` holds +1 and -1, each as likely; `packed_weight`, its bits as `pack_bits` lays them out, is what the state
    dict holds. `factor` [O] is the scaling factor, `1 / sqrt(K)` for K weights an output, so that inputs of mean square
    1 give outputs of mean square 1. The bias, where there is one, is random as well, uniform in [-1, 1). Thresholds
    keep their values where a state dict holds none, as that of a network in another scheme.
    """

    packed_weight: Tensor
    factor: Tensor
    bias: Any

    @torch.no_grad()
    def _freeze(self) -> None:
        signs = torch.randint_like(self.weight, 2).mul_(2).sub_(1)
        bias = None if self.bias is None else torch.empty_like(self.bias).uniform_(-1, 1)
        del self.weight, self.bias
        self.register_buffer("weight", signs, persistent=False)
        self.register_buffer("packed_weight", torch.from_numpy(pack_bits(signs.cpu().numpy())).to(signs.device))
        self.register_buffer("factor", torch.full_like(signs.flatten(1)[:, 0], self._factor(signs)), persistent=False)
        self.register_buffer("bias", bias)

    def _factor(self, signs: Tensor) -> float:
        """The scaling factor of all outputs, which follows from the signs."""
        return 1 / math.sqrt(signs[0].numel())

    def binary_weight(self) -> Tensor:
        """The signs: +1 and -1, of the weight's shape."""
        return self.weight

    def scaling_factor(self) -> Tensor:
        """Factor per output [O]."""
        return self.factor

    def scaled_weight(self) -> Tensor:
        """`factor * weight`."""
        return self.weight * self.factor.view(-1, *(1 for _ in self.weight.shape[1:]))

    @torch.no_grad()
    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, metadata: Any, strict: bool, missing: list[str], *args: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing, *args)
        if f"{prefix}threshold" in missing:
            missing.remove(f"{prefix}threshold")
        signs = unpack_bits(self.packed_weight.cpu().numpy(), tuple(self.weight.shape))
        self.weight.copy_(torch.from_numpy(signs))
        self.factor.fill_(self._factor(self.weight))


class FrozenConv2d(FrozenLayer, BinaryConv2d):
    """A convolution with frozen random signs for weights; arguments, shapes and errors as for `BinaryConv2d`.

    Random convolutions with pooling make good features by themselves (Jarrett et al. 2009, What is the best multi-stage
    architecture for object recognition?, section 3; Saxe et al. 2011, On random weights and unsupervised
    feature learning).
    """

    def __init__(self, *args: Any, scheme: str = "bwn", **options: Any) -> None:
        super().__init__(*args, scheme=scheme, **options)
        self._freeze()


class FrozenLinear(FrozenLayer, BinaryLinear):
    """A linear layer with frozen random signs for weights; arguments, shapes and errors as for `BinaryLinear`.

    The hidden layer of an extreme learning machine (Huang et al. 2006, Extreme learning machine: theory and
    applications).
    """

    def __init__(self, *args: Any, scheme: str = "bwn", **options: Any) -> None:
        super().__init__(*args, scheme=scheme, **options)
        self._freeze()


@torch.no_grad()
def spectral_radius(matrix: Tensor) -> float:
    """The largest absolute eigenvalue of a square matrix. Raises EdgenetError for any other matrix."""
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
        raise EdgenetError(f"the spectral radius is that of a square matrix, got {list(matrix.shape)}")
    return float(torch.linalg.eigvals(matrix.double()).abs().max())
