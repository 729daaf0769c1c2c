"""What the outputs of a network that runs once a batch say: classes, likelihoods, strings. In numpy alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenet.runtime.ctc import ctc_greedy
from edgenet.runtime.decoding import log_softmax
from edgenet.tasks.catalog import LABELLING, LANGUAGE, STRINGS


def read_answers(
    task: str, outputs: Sequence[NDArray[Any]], lengths: NDArray[np.int64] | None, targets: NDArray[np.int64]
) -> list[Any]:
    """Answers of a batch, one a sample, as `edgenet.tasks.held_out.HeldOut.value` takes them.

    outputs
        Of the network, as arrays: logits [N, classes] or [N, T, classes] first; for string recognition then the number
        of steps of each sample [N].
    lengths, targets
        [N], None for samples of one size, and [N] or [N, T].
    """
    logits = outputs[0]
    if task == STRINGS:
        return ctc_greedy(logits, outputs[1])
    if task not in (LABELLING, LANGUAGE) or lengths is None:
        return list(logits.argmax(-1))
    if task == LABELLING:
        return [best[:length] for best, length in zip(logits.argmax(-1), lengths, strict=True)]
    scores = np.take_along_axis(log_softmax(logits), targets[..., None], -1)[..., 0]
    return [-float(row[:length].sum()) for row, length in zip(scores, lengths, strict=True)]
