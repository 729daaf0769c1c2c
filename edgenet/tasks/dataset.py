"""What a data set is, and load()."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import IMAGES, SEQUENCES, list_data


@dataclass(frozen=True)
class Split:
    """Samples and their classes; `raw` holds them as bytes, `inputs` gives them as the network takes them."""

    raw: NDArray[np.uint8]  # images [N, C, H, W], sequences [N, T, F]
    targets: NDArray[np.int64]  # [N]
    mean: NDArray[np.float32]  # [C] for images, [1] for sequences
    std: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.targets)

    def inputs(self, indices: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float32]:
        """Normalised samples, `(raw / 255 - mean) / std`, float32; all, or those of `indices`."""
        shape = (-1, 1, 1) if self.raw.ndim == 4 else (-1,)
        scale = (1 / (255 * self.std)).reshape(shape)
        return self.raw[indices] * scale - (self.mean / self.std).reshape(shape)


@dataclass(frozen=True)
class DataSet:
    """A data set split for training and test. `preprocessing` tells an app how to make a sample from a picture."""

    name: str
    task: str
    train: Split
    test: Split
    classes: list[str]
    preprocessing: dict[str, Any]
    # Which file went where, for a folder: {"train": [...], "test": [...]}, paths relative to it.
    files: dict[str, list[str]] = field(default_factory=dict)
    mirrors: bool = False  # whether a mirrored image is still one of its class

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.train.raw.shape[1:]


def describe_images(
    shape: Sequence[int], resize: str, mean: NDArray[np.float32], std: NDArray[np.float32]
) -> dict[str, Any]:
    """What images tell of their preprocessing: samples [C, H, W], `(pixel / 255 - mean) / std`, [C] each.

    `size` is what a picture is scaled to, in the middle of `shape`; see `edgenet.tasks.pictures`.
    """
    return {
        "layout": "CHW",
        "shape": list(shape),
        "resize": resize,
        "size": list(shape[1:]),
        "scale": 1 / 255,
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
    }


def load(
    data: str | Path, input_shape: tuple[int, ...] | None = None, task: str = IMAGES,
    data_dir: str | Path | None = None,
) -> DataSet:  # fmt: skip
    """Load a built-in data set by name, or a folder of images.

    data
        "digits", "mnist", "fashion-mnist" or "cifar10"; or a folder with `train/` and `test/`, or with one folder a
        class.
    input_shape
        Of one sample: (channels, height, width), or (steps, features) for sequences; None takes the set's own.
    task
        "image-classification" or "sequence-classification".
    data_dir
        Where the files of a set lie, or are put when they must be downloaded; by default the environment variable
        EDGENET_DATA, then edgenet's cache.

    Sequences of unequal lengths and texts come from `load_sequences`. Raises EdgenetError for a name that is not
    known, a folder that doesn't serve, a shape that the set can't give, or files that can't be had.
    """
    from edgenet.tasks.cifar import load_cifar10
    from edgenet.tasks.digits import load_digits
    from edgenet.tasks.folders import load_folder
    from edgenet.tasks.idx import ARCHIVES, load_idx

    if task not in (IMAGES, SEQUENCES):
        raise EdgenetError(f"unknown task {task!r}: use {IMAGES!r} or {SEQUENCES!r}")
    name = str(data)
    if name == "digits":
        return load_digits(input_shape, task)
    if name in ARCHIVES:
        return load_idx(ARCHIVES[name], input_shape, task, data_dir)
    if name == "cifar10":
        return load_cifar10(input_shape, task, data_dir)
    if not Path(data).is_dir():
        known = [entry.name for entry in list_data() if task in entry.tasks]
        raise EdgenetError(
            f"no data set named {name!r} and no folder there: use one of {', '.join(known)}, or a folder of images"
        )
    if task == SEQUENCES:
        raise EdgenetError(f"folder {data} holds images, but the network takes sequences: use 'digits'")
    return load_folder(Path(data), input_shape or (3, 64, 64))
