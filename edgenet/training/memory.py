"""The C library's allocator, told to keep what training will ask for again."""

import ctypes
import sys

# Of malloc.h in glibc: mallopt's parameters.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_SETTINGS = ((_MMAP_THRESHOLD, 32 * 2**20), (_TOP_PAD, 64 * 2**20), (_TRIM_THRESHOLD, 2**31 - 1))


def keep_freed_memory() -> bool:
    """Have glibc reuse freed memory of this process, where it would give it back and have every page made anew.

    Each training step frees and asks for the same tensors. Changes no result; returns whether it could be set.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and all(mallopt(parameter, value) for parameter, value in _SETTINGS)
