"""How much memory a microcontroller has."""

import re
from dataclasses import dataclass

from edgenet.errors import EdgenetError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20}


@dataclass(frozen=True)
class MemoryLimits:
    """Bytes of flash and RAM; None for as much as the emulated board has."""

    flash: int | None = None
    ram: int | None = None


def parse_bytes(text: str | None) -> int | None:
    """Return the bytes that a size such as `256K` or `1M` (of 1024) says, None for None.

    Raises:
        EdgenetError: it is no such size.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)\s*([KM]?)i?B?", text.strip(), re.IGNORECASE)
    if found is None or int(found.group(1)) == 0:
        raise EdgenetError(f"{text!r} is no size of memory; write it as 65536, 64K or 1M.")
    return int(found.group(1)) * _UNITS[found.group(2).upper()]
