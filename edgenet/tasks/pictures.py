"""Pictures to samples and back, by what a file or checkpoint says of its preprocessing. In numpy alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError

CHANNELS_FIRST, ROWS = "CHW", "rows"
# Far below what one level of 255 makes (1 / (255 * std)), far above what rounding to float32 does.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class PicturePreprocessing:
    """How a picture becomes a sample: scaled by its shorter side to `size`, cropped in the middle, set into the middle
    of black, then `(pixel / 255 - mean) / std`.

    channels
        1 or 3 of the sample; of `rows` there is one.
    height, width
        Of the sample.
    size
        Height and width of the picture within it.
    mean, std
        [channels].
    rows
        The sample is [H, W], a sequence of rows, instead of [C, H, W].
    """

    channels: int
    height: int
    width: int
    size: tuple[int, int]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    rows: bool = False

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "PicturePreprocessing | None":
        """From a data set's `preprocessing`; None where it tells of something else than pictures of one size.

        Raises EdgenetError where a part of it is missing or contradicts another.
        """
        shape = described.get("shape")
        if described.get("layout") not in (CHANNELS_FIRST, ROWS) or shape is None or None in shape:
            return None
        rows = described["layout"] == ROWS
        try:
            channels, height, width = [1, *shape] if rows else shape
            size = tuple(described.get("size", (height, width)))
            mean, std = (np.array(described[key], np.float32) for key in ("mean", "std"))
        except (KeyError, TypeError, ValueError) as error:
            raise EdgenetError(
                f"the preprocessing {dict(described)} of pictures is not whole ({error}): it needs shape, mean and std"
            ) from error
        fits = len(size) == 2 and 0 < size[0] <= height and 0 < size[1] <= width
        if channels not in (1, 3) or not fits or mean.shape != (channels,) or std.shape != (channels,):
            raise EdgenetError(
                f"the preprocessing {dict(described)} contradicts itself: 1 or 3 channels, as many means and "
                "deviations, and a size within the shape"
            )
        return cls(channels, height, width, (size[0], size[1]), mean, std, rows)

    @property
    def picture_shape(self) -> list[int]:
        """Of the picture that is a sample as it is, without scaling: [height, width, channels]."""
        return [*self.size, self.channels]

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """Black above, left, below and right of the picture."""
        top, left = (self.height - self.size[0]) // 2, (self.width - self.size[1]) // 2
        return top, left, self.height - self.size[0] - top, self.width - self.size[1] - left

    @property
    def scale(self) -> NDArray[np.float32]:
        """What a pixel is multiplied by, [channels]."""
        return np.float32(1) / (np.float32(255) * self.std)

    @property
    def offset(self) -> NDArray[np.float32]:
        """What is then taken away, [channels]."""
        return self.mean / self.std

    def samples(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pictures [N, height, width, channels] of `picture_shape` as the network takes them."""
        top, left, bottom, right = self.margins
        framed = np.pad(pictures, ((0, 0), (top, bottom), (left, right), (0, 0))).transpose(0, 3, 1, 2)
        samples: NDArray[np.float32] = framed * self.scale.reshape(-1, 1, 1) - self.offset.reshape(-1, 1, 1)
        return samples[:, 0] if self.rows else samples

    def pictures(self, samples: NDArray[np.float32]) -> NDArray[np.uint8]:
        """What `samples` makes these samples of, [N, height, width, channels].

        Raises EdgenetError where they come of no pictures under this preprocessing.
        """
        framed = samples[:, None] if self.rows else samples
        top, left, _, _ = self.margins
        inner = framed[:, :, top : top + self.size[0], left : left + self.size[1]]
        pixels = (inner + self.offset.reshape(-1, 1, 1)) / self.scale.reshape(-1, 1, 1)
        pictures = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)
        if not np.allclose(self.samples(pictures), samples, rtol=0, atol=_TOLERANCE):
            raise EdgenetError(
                "the samples are no pictures of 8 bits under the preprocessing that goes with them: give samples that "
                "it made, or export without --embed-preprocessing"
            )
        return pictures
