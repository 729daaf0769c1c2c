"""Mixed precision: multiplications in 16 bits, weights and their updates in 32."""

import torch

from edgenet.errors import EdgenetError

PRECISIONS = ("32", "bf16-mixed", "16-mixed")


def check_mixed(precision: str) -> None:
    """Raises EdgenetError for a precision that is unknown, or that this machine's devices don't train in."""
    if precision not in PRECISIONS:
        raise EdgenetError(f"unknown precision {precision!r}: use one of {', '.join(PRECISIONS)}")
    if precision == "16-mixed" and not torch.cuda.is_available():
        raise EdgenetError("precision '16-mixed' needs a GPU, and this machine has none: use 'bf16-mixed' or '32'")
