"""Sequences out of an exported encoder and decoder: greedy, or the best of a beam. In numpy alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgenet.errors import EdgenetError
from edgenet.runtime.session import InferenceSession

Array = NDArray[np.float32]
Step = Callable[[NDArray[np.int64], Array, NDArray[np.int64]], tuple[Array, Array]]
"""`step(tokens [B], state [layers, B, H], samples [B])` -> logits [B, vocabulary] of what comes next, and the state.
`samples` says of which sample each of the B hypotheses is one."""


def log_softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Log probabilities along the last axis, float64."""
    scores = np.asarray(logits, np.float64)
    scores = scores - scores.max(-1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def greedy_search(step: Step, state: Array, begin: int, end: int, max_steps: int) -> list[list[int]]:
    """The most likely next token after each, up to the end mark or `max_steps`; a list of tokens a sample, unmarked.

    `state` [layers, N, H] is that of N samples at their beginning. A sample that has ended is not computed on.
    """
    count = state.shape[1]
    strings: list[list[int]] = [[] for _ in range(count)]
    alive, tokens = np.arange(count), np.full(count, begin)
    for _ in range(max_steps):
        logits, state = step(tokens, state, alive)
        tokens = logits.argmax(1)
        going = np.flatnonzero(tokens != end)
        alive, tokens, state = alive[going], tokens[going], state[:, going]
        for sample, token in zip(alive, tokens, strict=True):
            strings[sample].append(int(token))
        if not len(alive):
            break
    return strings


@dataclass(frozen=True)
class _Hypothesis:
    tokens: tuple[int, ...]
    score: float
    """Sum of log probabilities."""
    row: int
    """Where its state is."""

    def worth(self, length_penalty: float) -> float:
        return self.score / _divisor(len(self.tokens) + 1, length_penalty)

    def hope(self, max_steps: int, length_penalty: float) -> float:
        """The most that it can be worth in the end."""
        return self.score / _divisor(max_steps + 1, length_penalty)


def _divisor(length: int, length_penalty: float) -> float:
    return ((5 + length) / 6) ** length_penalty


def beam_search(
    step: Step, state: Array, begin: int, end: int, max_steps: int, width: int = 5, length_penalty: float = 0.6
) -> list[list[int]]:
    """The best string of each sample among `width` hypotheses that live on after each step.

    What is compared of ended ones is the sum of log probabilities over `((5 + length) / 6) ** length_penalty`, the
    length with its end mark (Wu et al. 2016, arXiv:1609.08144, equation 14; 0 compares the sums, and with a width of 1
    is greedy search). A string that has not ended by `max_steps` counts as it is. Other arguments and the result as for
    `greedy_search`. Raises EdgenetError for a width below 1.
    """
    if width < 1:
        raise EdgenetError(f"a beam of {width} hypotheses keeps nothing: use 1 or more")
    beams = [[_Hypothesis((), 0.0, sample)] for sample in range(state.shape[1])]
    best: list[_Hypothesis | None] = [None] * len(beams)
    for _ in range(max_steps):
        alive = [(sample, hypothesis) for sample, beam in enumerate(beams) for hypothesis in beam]
        if not alive:
            break
        samples = np.array([sample for sample, _ in alive])
        tokens = np.array([hypothesis.tokens[-1] if hypothesis.tokens else begin for _, hypothesis in alive])
        logits, state = step(tokens, state[:, [hypothesis.row for _, hypothesis in alive]], samples)
        scores = log_softmax(logits) + np.array([[hypothesis.score] for _, hypothesis in alive])
        for sample in np.unique(samples).tolist():
            rows = np.flatnonzero(samples == sample)
            beams[sample] = []
            # A hypothesis ends once at most, so as many as the beam is wide go on; an end counts where it has a place.
            for place, (row, token) in enumerate(_largest(scores[rows], 2 * width)):
                before, score = alive[rows[row]][1].tokens, float(scores[rows[row], token])
                if token != end:
                    beams[sample].append(_Hypothesis((*before, token), score, int(rows[row])))
                elif place < width:
                    best[sample] = _better(best[sample], _Hypothesis(before, score, 0), length_penalty)
            del beams[sample][width:]
            # Sums only fall, and the longest string has the mildest divisor.
            found = best[sample]
            if found is not None and found.worth(length_penalty) >= beams[sample][0].hope(max_steps, length_penalty):
                beams[sample] = []
    for sample, beam in enumerate(beams):
        for hypothesis in beam:
            best[sample] = _better(best[sample], hypothesis, length_penalty)
    return [[] if hypothesis is None else list(hypothesis.tokens) for hypothesis in best]


def _better(first: _Hypothesis | None, second: _Hypothesis, length_penalty: float) -> _Hypothesis:
    return second if first is None or second.worth(length_penalty) > first.worth(length_penalty) else first


def _largest(scores: NDArray[np.float64], count: int) -> list[tuple[int, int]]:
    """Row and column of the `count` largest, largest first."""
    flat = scores.ravel()
    order = np.argsort(-flat, kind="stable")[:count]
    return [divmod(int(place), scores.shape[1]) for place in order]


class SequenceDecoder:
    """What an app runs: an exported encoder once, then its decoder step by step.

    `begin` and `end` are the marks of the decoder's vocabulary. The files are those that
    `edgenet.exporter.export_encoder_decoder` writes. Raises EdgenetError where a file is something else.
    """

    def __init__(self, encoder: InferenceSession, decoder: InferenceSession, begin: int, end: int) -> None:
        outputs = [value.name for value in encoder.outputs]
        inputs = [value.name for value in decoder.inputs]
        if outputs != ["memory", "state", "memory_lengths"] or inputs != ["input", "state", "memory", "memory_lengths"]:
            raise EdgenetError(
                f"an encoder's outputs are memory, state and memory_lengths, and go into its decoder; these files have "
                f"outputs {', '.join(outputs)} and inputs {', '.join(inputs)}"
            )
        self.encoder, self.decoder, self.begin, self.end = encoder, decoder, begin, end

    def greedy(self, inputs: NDArray, lengths: ArrayLike | None = None, max_steps: int = 100) -> list[list[int]]:
        """Token ids of each sample, by `greedy_search`; inputs [N, ...] and lengths [N] as the encoder takes them."""
        state, step = self._begin(inputs, lengths)
        return greedy_search(step, state, self.begin, self.end, max_steps)

    def beam(
        self, inputs: NDArray, lengths: ArrayLike | None = None, max_steps: int = 100, width: int = 5,
        length_penalty: float = 0.6,
    ) -> list[list[int]]:  # fmt: skip
        """Token ids of each sample, by `beam_search`."""
        state, step = self._begin(inputs, lengths)
        return beam_search(step, state, self.begin, self.end, max_steps, width, length_penalty)

    def _begin(self, inputs: NDArray, lengths: ArrayLike | None) -> tuple[Array, Step]:
        feeds = {"input": inputs}
        if lengths is not None:
            feeds["lengths"] = np.asarray(lengths, np.int64)
        memory, state, memory_lengths = self.encoder.run(feeds)

        def step(tokens: NDArray[np.int64], state: Array, samples: NDArray[np.int64]) -> tuple[Array, Array]:
            logits, following = self.decoder.run({
                "input": tokens[:, None].astype(np.int64),
                "state": state,
                "memory": memory[samples],
                "memory_lengths": memory_lengths[samples],
            })  # fmt: skip
            return logits[:, -1], following

        return state, step
