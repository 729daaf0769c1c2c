"""Packed weights: one bit a weight, as `export/SPEC.md` lays them out. Free of torch."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgenet.errors import EdgenetError


def packed_row_bytes(row_length: int) -> int:
    """Bytes of one packed row of `row_length` weights."""
    return (row_length + 7) // 8


def pack_bits(weight: ArrayLike) -> NDArray[np.uint8]:
    """Pack the signs of weights [O, ...] into rows [O, ceil(K / 8)], K the product of the remaining axes.

    Weight k of a row (row-major) is bit `k % 8`, least significant first, of byte `k // 8`. The bit is 1 where
    `weight >= 0` (so 0 and -0.0 are +1, NaN is -1); spare bits of the last byte are 0.

    >>> pack_bits([[1.0, -1.0, 1.0], [-1.0, -1.0, -1.0]])
    array([[5],
           [0]], dtype=uint8)

    Raises EdgenetError for fewer than two axes or an empty array.
    """
    values = np.asarray(weight)
    if values.ndim < 2 or values.size == 0:
        raise EdgenetError(f"pack_bits needs weights [outputs, ...] that are not empty, got shape {list(values.shape)}")
    return np.packbits(values.reshape(values.shape[0], -1) >= 0, axis=1, bitorder="little")


def unpack_bits(packed: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Unpack rows [O, ceil(K / 8)] into +1 and -1 of `shape` [O, ...]; the inverse of `pack_bits`.

    >>> unpack_bits(np.array([[5], [0]], dtype=np.uint8), (2, 3))
    array([[ 1, -1,  1],
           [-1, -1, -1]], dtype=int8)

    Raises EdgenetError where the packed rows do not belong to that shape.
    """
    row_length = math.prod(shape[1:])
    expected = (shape[0], packed_row_bytes(row_length))
    if packed.dtype != np.uint8 or packed.shape != expected:
        raise EdgenetError(
            f"unpack_bits needs uint8 rows {list(expected)} for weights {list(shape)}, "
            f"got {packed.dtype} {list(packed.shape)}"
        )
    bits = np.unpackbits(packed, axis=1, count=row_length, bitorder="little")
    return (bits.astype(np.int8) * 2 - 1).reshape(shape)
