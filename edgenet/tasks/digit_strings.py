"""Pictures of strings of digits, made from real ones: for CNN, RNN and connectionist temporal classification."""

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import STRINGS
from edgenet.tasks.digits import MEAN, SIDE, STD, held_out_digits, read_digits
from edgenet.tasks.ragged import Ragged
from edgenet.tasks.sequences import SequenceDataSet, SequenceSplit, encode_all
from edgenet.tasks.vocabulary import PADDING, Vocabulary

HEIGHT = 32
SHORT, LONG = (3, 8), (20, 30)
# A digit of MNIST has black columns on both sides: steps shorter than its width bring neighbours close together.
STEPS = (18, 28)


def load_digit_strings(train: int = 10_000, test: int = 1_000, long: int = 500, seed: int = 0) -> SequenceDataSet:
    """Images [1, 32, W] of 3 to 8 digits, and of 20 to 30 in `further["long"]`; targets are the digits.

    The digits of `load_digits`' training half make the training strings, those of its held-out half the test strings.
    Each starts 18 to 28 columns after the one before it and 0 to 4 rows from the top; where two overlap the brighter
    pixel is seen. Ids of the vocabulary: 0 is the blank, 1 to 10 are the digits 0 to 9. `train`, `test` and `long` are
    the numbers of strings. Raises EdgenetError for a number below 1.
    """
    if min(train, test, long) < 1:
        raise EdgenetError(f"the numbers of strings are {train}, {test} and {long}: use 1 or more of each")
    images, digits = read_digits()
    held_out = held_out_digits(digits)
    vocabulary = Vocabulary("character", (PADDING, *"0123456789"))
    plan = {"train": (~held_out, train, SHORT), "test": (held_out, test, SHORT), "long": (held_out, long, LONG)}
    splits = {
        name: _compose(images[part], digits[part], count, lengths, np.random.default_rng([seed, stream]), vocabulary)
        for stream, (name, (part, count, lengths)) in enumerate(plan.items())
    }
    preprocessing = {"layout": "CHW", "shape": [1, HEIGHT, None], "scale": 1 / 255, "mean": [MEAN], "std": [STD]}
    return SequenceDataSet(
        "digit-strings", STRINGS, splits["train"], splits["test"], target_vocabulary=vocabulary,
        preprocessing=preprocessing, further={"long": splits["long"]},
    )  # fmt: skip


def _compose(
    images: NDArray[np.uint8], digits: NDArray[np.int64], count: int, lengths: tuple[int, int],
    random: np.random.Generator, vocabulary: Vocabulary,
) -> SequenceSplit:  # fmt: skip
    pictures, strings = [], []
    for _ in range(count):
        chosen = random.integers(0, len(images), random.integers(lengths[0], lengths[1] + 1))
        lefts = np.cumsum(random.integers(STEPS[0], STEPS[1] + 1, len(chosen)))
        lefts -= lefts[0]
        picture = np.zeros((lefts[-1] + SIDE, 1, HEIGHT), np.uint8)
        for image, left, top in zip(
            images[chosen], lefts, random.integers(0, HEIGHT - SIDE + 1, len(chosen)), strict=True
        ):
            window = picture[left : left + SIDE, 0, top : top + SIDE]
            np.maximum(window, image.T, out=window)
        pictures.append(picture)
        strings.append("".join(map(str, digits[chosen])))
    mean, std = np.array([MEAN], np.float32), np.array([STD], np.float32)
    references = tuple((string,) for string in strings)
    return SequenceSplit(Ragged.of(pictures), encode_all(vocabulary, strings), references, mean, std)
