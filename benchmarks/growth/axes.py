"""What grows: axes of sizes, and the layer at each; and where growth makes a multiply-add dearer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.layers import GATES, Convolution, Layer, Linear, Recurrent

CLIFF = 1.5


@dataclass(frozen=True)
class Axis:
    """One size that grows, all else equal."""

    name: str
    subject: str
    values: tuple[int, ...]
    layer: Callable[[int], Layer]


_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_IMAGES = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448)
_CHANNELS = (16, 24, 32, 48, 64, 80, 96, 100, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024)
_STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)

AXES = (
    Axis("batch", "3x3 convolution, 28x28x128", _BATCHES, lambda n: Convolution(28, 128, 128, batch=n)),
    Axis("batch", "linear, 1024-1024", _BATCHES, lambda n: Linear(1024, 1024, batch=n)),
    Axis("batch", "LSTM, 256-256, 10 steps", _BATCHES, lambda n: Recurrent("lstm", 256, 256, 10, batch=n)),
    Axis("image", "3x3 convolution, 64 channels", _IMAGES, lambda n: Convolution(n, 64, 64)),
    Axis("image", "1x1 convolution, 64 channels", _IMAGES, lambda n: Convolution(n, 64, 64, 1)),
    Axis("channels", "3x3 convolution, 14x14", _CHANNELS, lambda n: Convolution(14, n, n)),
    Axis("channels", "1x1 convolution, 14x14", _CHANNELS, lambda n: Convolution(14, n, n, 1)),
    Axis("channels", "linear", _CHANNELS, lambda n: Linear(n, n)),
    *(
        Axis("sequence", f"{op.upper()}, 256-256", _STEPS, lambda n, op=op: Recurrent(op, 256, 256, n))  # type: ignore[misc]
        for op in GATES
    ),
)
THREADS = (1, 2)
THREADED: tuple[Layer, ...] = (
    Convolution(56, 64, 64), Convolution(14, 256, 256), Convolution(7, 512, 512), Convolution(56, 256, 256, 1),
    Linear(4096, 4096), Recurrent("lstm", 512, 512, 50),
)  # fmt: skip


@dataclass(frozen=True)
class Cliff:
    """A size at which a multiply-add takes `factor` times as long as at the next smaller size."""

    value: int
    smaller: int
    factor: float


def cliffs(values: Sequence[int], times: Sequence[float]) -> list[Cliff]:
    """Return the sizes whose time a multiply-add is more than 1.5 times that of the next smaller one.

    Larger sizes share out what a call costs in itself, so that growth should only ever make a multiply-add cheaper.

    Args:
        values: sizes, ascending.
        times: time a multiply-add at each.
    """
    found = []
    for index in range(1, len(values)):
        factor = times[index] / times[index - 1]
        if factor > CLIFF:
            found.append(Cliff(values[index], values[index - 1], factor))
    return found


def last_level_cache() -> int | None:
    """Return the bytes of the first core's largest cache, or None where the system does not say."""
    sizes = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    kilobytes = [int(text[:-1]) for text in (size.read_text().strip() for size in sizes) if text.endswith("K")]
    return max(kilobytes) * 1024 if kilobytes else None


def cause(value_bytes: float, cache: int | None) -> str | None:
    """Return why a size may be a cliff, or None where none of the known causes holds.

    Args:
        value_bytes: bytes of the values that come in and go out.
        cache: bytes of the last-level cache, or None.
    """
    if cache is None or value_bytes < cache:
        return None
    return f"its {value_bytes / 1e6:.0f} MB of values fill the {cache / 1e6:.0f} MB of cache, so memory sets the pace"
