"""`python -m benchmarks.repeats.disturber SEED`: keeps a core busy off and on, with arithmetic and with memory."""

import random
import sys
import time

import numpy as np

_LONGEST_SECONDS = 2.0
_SIDE = 256
_WALKED = 8 << 20


def disturb(seed: int) -> None:
    """Work and rest by turns, for times that nobody can foresee, until killed."""
    chance = random.Random(seed)
    square = np.random.default_rng(seed).random((_SIDE, _SIDE))
    wide = np.zeros(_WALKED, np.float32)
    while True:
        end = time.monotonic() + chance.random() * _LONGEST_SECONDS
        walk = chance.random() < 0.5
        while time.monotonic() < end:
            if walk:
                wide += 1
            else:
                square @ square
        time.sleep(chance.random() * _LONGEST_SECONDS)


if __name__ == "__main__":
    disturb(int(sys.argv[1]))
