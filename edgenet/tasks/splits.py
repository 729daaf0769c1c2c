"""Which samples are held out, decided by what they are and not by their order."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError


def hold_out(
    keys: Sequence[str], labels: Sequence[str] | None = None, *, share: float = 0.2, seed: int = 0
) -> NDArray[np.bool_]:
    """Mark a share of each class, at least one sample, to be held out: [N] bool.

    Within a class the samples with the smallest SHA-256 of seed and key are held out, whatever their order, as far as
    they fit the share: samples of equal key and class stay on one side, so that no message is both learnt and tested.

    Raises EdgenetError for a class with fewer than two different samples.
    """
    by_class: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, (key, label) in enumerate(zip(keys, labels or [""] * len(keys), strict=True)):
        by_class[label][key].append(index)
    held_out = np.zeros(len(keys), bool)
    for label, samples in by_class.items():
        if len(samples) < 2:
            raise EdgenetError(
                f"class {label!r} has one sample only, {next(iter(samples))!r}: a test needs another"
                if label
                else "there is one sample only: a test needs another"
            )
        order = sorted(samples, key=lambda key: sha256(f"{seed}/{key}".encode()).digest())
        wanted = max(1, round(share * sum(map(len, samples.values()))))
        chosen: list[int] = []
        # The last one stays, so that there is something to learn from.
        for key in order[:-1]:
            if not chosen or len(chosen) + len(samples[key]) <= wanted:
                chosen += samples[key]
        held_out[chosen] = True
    return held_out
