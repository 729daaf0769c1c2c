"""A chain of layers that keeps few of their activations in training."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import Tensor, is_grad_enabled, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class CheckpointedSequential(nn.Sequential):
    """Layers in a row; of n layers training keeps about sqrt(n) activations and computes the others again.

    That makes memory grow with sqrt(n) at the price of a second forward pass (Chen et al. 2016, Training deep nets with
    sublinear memory cost, arXiv:1604.06174, section 4.1). Running statistics of batch normalisation follow the first
    pass alone, so that what is trained is what would be without.
    """

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self)
        if not (self.training and is_grad_enabled()):
            return _run(layers, x)
        length = math.isqrt(max(1, len(layers) - 1)) + 1
        for start in range(0, len(layers), length):
            part = layers[start : start + length]

            def contexts(part: list[nn.Module] = part) -> tuple[AbstractContextManager, AbstractContextManager]:
                return nullcontext(), _statistics_kept(part)

            # The layers are deterministic: there is no state of random numbers to keep.
            x = checkpoint(_run, part, x, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)
        return x


def _run(layers: list[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


@contextmanager
def _statistics_kept(layers: list[nn.Module]) -> Iterator[None]:
    """Batch normalisation by the batch, as in training, that leaves the running statistics as they are."""
    norms = [module for layer in layers for module in layer.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked -= 1
