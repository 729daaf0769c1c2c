"""Sound to features: log-mel energies and mel-frequency cepstral coefficients, in numpy."""

import wave
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError

KINDS = ("log-mel", "mfcc")
_FLOOR = 1e-10  # energies below it are silence: its logarithm is bounded


@dataclass(frozen=True)
class AudioFeatures:
    """How sound becomes features. Frame t covers samples [t * hop, t * hop + window): it waits for no later sound.

    kind
        "log-mel": natural logarithm of the energies in `bands` triangular filters, equally wide on the mel scale;
        "mfcc": the first `coefficients` of their orthonormal discrete cosine transform, type II (Davis and Mermelstein
        1980, Comparison of parametric representations for monosyllabic word recognition).
    window_ms, hop_ms
        Milliseconds a frame covers (under a Hann window), and from one frame to the next.
    """

    kind: str = "log-mel"
    bands: int = 40
    coefficients: int = 13
    window_ms: float = 25.0
    hop_ms: float = 10.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EdgenetError(f"features {self.kind!r} are not known: use one of {', '.join(KINDS)}")
        if min(self.bands, self.coefficients, self.window_ms, self.hop_ms) <= 0 or self.coefficients > self.bands:
            raise EdgenetError(
                "bands, coefficients, window and hop are above 0, and coefficients are at most the bands"
            )

    @property
    def size(self) -> int:
        """Features a frame."""
        return self.bands if self.kind == "log-mel" else self.coefficients

    def frame_samples(self, rate: int) -> tuple[int, int]:
        """Samples of sound in a window and in a hop, at `rate` samples a second."""
        return max(1, round(rate * self.window_ms / 1000)), max(1, round(rate * self.hop_ms / 1000))

    def compute(self, sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """Features [T, size] of sound [samples] between -1 and 1 at `rate` samples a second.

        Sound shorter than a window is filled up with silence; what remains behind the last whole window is left out.
        """
        window, hop = self.frame_samples(rate)
        sound = np.pad(sound, (0, max(0, window - len(sound))))
        frames = np.lib.stride_tricks.sliding_window_view(sound, window)[::hop]
        size = 1 << (window - 1).bit_length()
        power = np.abs(np.fft.rfft(frames * np.hanning(window), size)) ** 2
        log_mel = np.log(np.maximum(power @ _mel_filters(self.bands, size, rate).T, _FLOOR))
        if self.kind == "mfcc":
            log_mel = log_mel @ _cosines(self.coefficients, self.bands).T
        return log_mel.astype(np.float32)

    def tables(self, size: int, rate: int) -> tuple[NDArray[np.float64], float, NDArray[np.float64] | None]:
        """What `compute` is made of, for those who compute elsewhere: filters [bands, size / 2 + 1] over the powers of
        a transform of `size`, the energy below which there is silence, cosines [coefficients, bands] or None."""
        cosines = _cosines(self.coefficients, self.bands) if self.kind == "mfcc" else None
        return _mel_filters(self.bands, size, rate), _FLOOR, cosines

    def as_dict(self) -> dict[str, Any]:
        """What stands in a data set's preprocessing."""
        return asdict(self)


@lru_cache(maxsize=8)
def _mel_filters(bands: int, size: int, rate: int) -> NDArray[np.float64]:
    """Triangles [bands, size / 2 + 1] between 0 and rate / 2, with mel = 2595 log10(1 + Hz / 700) (O'Shaughnessy)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    frequencies = np.arange(size // 2 + 1) * rate / size
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - left) / (centre - left), (right - frequencies) / (right - centre)
    return np.clip(np.minimum(rising, falling), 0, None)


@lru_cache(maxsize=8)
def _cosines(coefficients: int, bands: int) -> NDArray[np.float64]:
    k, n = np.arange(coefficients)[:, None], np.arange(bands)
    cosines = np.sqrt(2 / bands) * np.cos(np.pi * k * (2 * n + 1) / (2 * bands))
    cosines[0] /= np.sqrt(2)
    return cosines


def read_wave(path: Path) -> tuple[NDArray[np.float32], int]:
    """Sound [samples] between -1 and 1, channels averaged, and samples a second.

    Raises EdgenetError for a file that is no uncompressed WAV of 8, 16, 24 or 32 bits.
    """
    try:
        with wave.open(str(path)) as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            content = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise EdgenetError(f"recording {path} cannot be read ({error}): write it as uncompressed WAV") from error
    content = content[: len(content) // (width * channels) * width * channels]
    if not content:
        raise EdgenetError(f"recording {path} holds no sound: remove it")
    if width == 1:  # unsigned, unlike the wider ones
        sound = np.frombuffer(content, np.uint8).astype(np.float32) / 128 - 1
    else:
        # The bytes of a sample, little-endian, at the top of 32 bits: any width becomes one of 32.
        samples = np.zeros((len(content) // width, 4), np.uint8)
        samples[:, 4 - width :] = np.frombuffer(content, np.uint8).reshape(-1, width)
        sound = (samples.view("<i4")[:, 0] / 2**31).astype(np.float32)
    return sound.reshape(-1, channels).mean(1), rate
