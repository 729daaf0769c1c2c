"""What a worker measures: a file that runs once a batch, or an encoder and its decoder that say one string together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession
from edgenet.runtime.session import ORT_ERRORS, one_line

if TYPE_CHECKING:
    from edgenet.tasks.held_out import HeldOut
    from edgenet.tasks.pictures import PicturePreprocessing

_BATCH = 32
_NO_END = -1
Feeds = dict[str, np.ndarray]


def answers(held_out: "HeldOut", fixed: int | None, answer: "Callable[[list[HeldOut], int], list[Any]]") -> list[Any]:
    """Return the answers to all samples, but for the last ones that do not fill a batch that the file insists on.

    `answer(parts, most_steps)` gives the answers to the samples in batches, one a sample.
    """
    size = fixed or _BATCH
    count = len(held_out) // size * size if fixed else len(held_out)
    parts = [held_out.part(slice(start, min(start + size, count))) for start in range(0, count, size)]
    return answer(parts, held_out.most_steps) if parts else []


def accuracy(
    held_out: "HeldOut", fixed: int | None, answer: "Callable[[list[HeldOut], int], list[Any]]"
) -> dict[str, object] | None:
    """Return metric, value and number of samples of `answers`; None where there is none."""
    given = answers(held_out, fixed, answer)
    if not given:
        return None
    answered = held_out if len(given) == len(held_out) else held_out.part(slice(0, len(given)))
    return {"metric": answered.metric, "value": answered.value(given), "samples": len(given)}


def need_samples(held_out: "HeldOut | None") -> "HeldOut":
    """Return the samples without which an encoder and its decoder are not measured, or say so."""
    if held_out is None:
        raise EdgenetError(
            "An encoder and its decoder are measured on the samples.npz of their run folder: leave it beside them, "
            "and give neither input shapes nor inputs."
        )
    return held_out


class SampleFeeds:
    """What a file that runs once a batch is fed: a held-out sample, the user's own arrays, or made-up numbers.

    Args:
        inputs: the graph's inputs, each with `.name`, `.shape` and `.type`, as ONNX Runtime describes them.
        optional: names of the inputs that may be left out.
        metadata: what the exporter wrote into the file, as `InferenceSession.metadata`.
        held_out: the samples of the run folder.
        shapes: shapes by name, the empty name for the first input; for where there are no samples.
        file: an .npz file of arrays by input name, for where there are no samples.
    """

    def __init__(
        self,
        inputs: Sequence[Any],
        optional: Sequence[str],
        metadata: Mapping[str, Any],
        held_out: "HeldOut | None",
        shapes: Mapping[str, Sequence[int]],
        file: str | None = None,
    ) -> None:
        from edgenet.bench.inputs import describe, random_feeds, read_feeds, resolve_shapes

        self._inputs, self._optional = inputs, optional
        self._picture = _embedded_pictures(metadata)
        self.made_up: list[str] = []
        """Inputs, with their shapes, of which nobody said how large they are."""
        if held_out is not None:
            self.timed = self.of(held_out.typical())
            return
        own = read_feeds(file, inputs) if file else {}
        wanted = {**shapes, **{name: list(value.shape) for name, value in own.items()}}
        settled = resolve_shapes(inputs, wanted, metadata.get("input_shape"))
        self.timed = {**random_feeds([value for value in inputs if value.name not in own], settled), **own}
        known = {name or inputs[0].name for name in wanted}
        self.made_up = [f"{name} {describe(shape)}" for name, shape in settled.items() if name not in known]

    @property
    def input_shape(self) -> list[int]:
        """Of the first input."""
        return list(self.timed[self._inputs[0].name].shape) if self._inputs else []

    @property
    def shapes(self) -> dict[str, list[int]]:
        """Of all inputs, by name."""
        return {name: list(value.shape) for name, value in self.timed.items()}

    @property
    def fixed_batch(self) -> int | None:
        """The batch that the file insists on; None where any will do."""
        size = self._inputs[0].shape[0]
        return size if isinstance(size, int) else None

    def of(self, part: "HeldOut") -> Feeds:
        """Samples, their lengths where the file takes some, and what is needed besides, such as a state of zeros."""
        from edgenet.bench.inputs import random_feeds, resolve_shapes

        # The samples are what a network takes without preprocessing.
        given = part.inputs if self._picture is None else self._picture.pictures(part.inputs)
        shapes = resolve_shapes(self._inputs, {"": list(given.shape)})
        feeds = {**random_feeds(self._inputs, shapes), self._inputs[0].name: given}
        # A single sample has no padding to tell of.
        if part.lengths is not None and len(part) > 1 and "lengths" in self._optional:
            feeds["lengths"] = part.lengths
        return feeds


class SingleFile:
    """A network in one file, run on one sample: a held-out one, the user's own, or numbers of the right shape."""

    parts = ("",)
    runs_by_file = (1,)

    def __init__(
        self,
        session: InferenceSession,
        held_out: "HeldOut | None",
        shapes: Mapping[str, Sequence[int]],
        file: str | None = None,
    ) -> None:
        self.session = session
        # An input that may be left out is none of the session's.
        optional = [value.name for value in session.ort.get_overridable_initializers()]
        self.feeds = SampleFeeds(session.inputs, optional, session.metadata, held_out, shapes, file)

    @property
    def input_shape(self) -> list[int]:
        """Of the first input."""
        return self.feeds.input_shape

    @property
    def shapes(self) -> dict[str, list[int]]:
        """Of all inputs, by name."""
        return self.feeds.shapes

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say in one sentence why a run failed, and how to give inputs that fit where they were made up."""
        try:
            yield
        except ORT_ERRORS as error:
            hint = (
                f" Of its inputs these were made up: {', '.join(self.feeds.made_up)}; give shapes with --input-shape "
                "NAME:SIZES, or real values with --inputs FILE.npz."
                if self.feeds.made_up
                else ""
            )
            raise EdgenetError(f"The network cannot run on these inputs: {one_line(error)}.{hint}") from error

    @property
    def fixed_batch(self) -> int | None:
        """The batch that the file insists on; None where any will do."""
        return self.feeds.fixed_batch

    def once(self) -> Callable[[], object]:
        """What is timed."""
        run, feeds = self.session.ort.run, self.feeds.timed
        return lambda: run(None, feeds)

    def answers(self, parts: "list[HeldOut]", most_steps: int) -> list[Any]:
        """Of held-out samples in batches, see `edgenet.tasks.held_out.HeldOut.value`."""
        from edgenet.runtime.answers import read_answers

        return [
            answer
            for part in parts
            for answer in read_answers(part.task, self.session.run(self.feeds.of(part)), part.lengths, part.targets)
        ]

    def feeds_by_file(self) -> list[Feeds]:
        """What each file is fed, the sample once."""
        return [self.feeds.timed]


def _embedded_pictures(metadata: Mapping[str, Any]) -> "PicturePreprocessing | None":
    """How a file's samples come from the pictures that it takes; None where it takes samples."""
    described = metadata.get("preprocessing")
    if not isinstance(described, dict) or not described.get("embedded"):
        return None
    from edgenet.tasks.pictures import PicturePreprocessing

    return PicturePreprocessing.of(described)


class EncoderAndDecoder:
    """Two files: what is timed is the encoder once, and the decoder as many steps as the right answer has."""

    fixed_batch = None
    shapes = None
    parts = ("encoder", "decoder")

    def __init__(self, encoder: InferenceSession, decoder: InferenceSession, held_out: "HeldOut | None") -> None:
        from edgenet.runtime.decoding import SequenceDecoder

        held_out = need_samples(held_out)
        self.encoder, self.decoder = encoder, decoder
        self.pair = SequenceDecoder(encoder, decoder, held_out.begin, held_out.end)
        self.sample = held_out.typical()

    @property
    def input_shape(self) -> list[int]:
        """Of the encoder."""
        return list(self.sample.inputs.shape)

    @property
    def runs_by_file(self) -> tuple[int, ...]:
        """How often each file runs in what is timed."""
        return 1, self.sample.targets.shape[1] - 1

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say in one sentence why a run failed."""
        try:
            yield
        except ORT_ERRORS as error:
            raise EdgenetError(f"Encoder and decoder cannot run on their samples: {one_line(error)}.") from error

    def once(self) -> Callable[[], object]:
        """What is timed."""
        from edgenet.runtime.decoding import SequenceDecoder

        # No token ends it, so that networks which say more or less do the same work.
        endless = SequenceDecoder(self.encoder, self.decoder, self.pair.begin, _NO_END)
        inputs, steps = self.sample.inputs, self.sample.targets.shape[1] - 1
        return lambda: endless.greedy(inputs, None, steps)

    def answers(self, parts: "list[HeldOut]", most_steps: int) -> list[Any]:
        """Of held-out samples in batches, by greedy search."""
        return [answer for part in parts for answer in self.pair.greedy(part.inputs, self._lengths(part), most_steps)]

    def _lengths(self, part: "HeldOut") -> np.ndarray | None:
        optional = [value.name for value in self.encoder.ort.get_overridable_initializers()]
        return part.lengths if "lengths" in optional else None

    def feeds_by_file(self) -> list[Feeds]:
        """What each file is fed, the sample once: the encoder's, and the decoder's a step."""
        feeds: Feeds = {"input": self.sample.inputs}
        memory, state, memory_lengths = self.encoder.run(feeds)
        read = self.sample.targets[:, :1]
        return [feeds, {"input": read, "state": state, "memory": memory, "memory_lengths": memory_lengths}]
