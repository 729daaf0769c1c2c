"""What a worker measures: a file that runs once a batch, or an encoder and its decoder that say one string together."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession

if TYPE_CHECKING:
    from edgenet.tasks.held_out import HeldOut
    from edgenet.tasks.pictures import PicturePreprocessing

_NO_END = -1
Feeds = dict[str, np.ndarray]


class SingleFile:
    """A network in one file, run on one sample: a held-out one, or numbers of the right shape."""

    def __init__(
        self, session: InferenceSession, held_out: "HeldOut | None", shapes: Mapping[str, Sequence[int]]
    ) -> None:
        from edgenet.bench import inputs

        self.session = session
        self._picture = _embedded_pictures(session)
        if held_out is not None:
            self.feeds = self._feeds_for(held_out.typical())
            return
        sample = session.metadata.get("input_shape")
        described = session.inputs
        self.feeds = inputs.random_feeds(described, inputs.resolve_shapes(described, shapes, sample))

    @property
    def input_shape(self) -> list[int]:
        """Of the first input."""
        return list(self.feeds[self.session.inputs[0].name].shape)

    @property
    def fixed_batch(self) -> int | None:
        """The batch that the file insists on; None where any will do."""
        size = self.session.inputs[0].shape[0]
        return size if isinstance(size, int) else None

    def once(self) -> Callable[[], object]:
        """What is timed."""
        run, feeds = self.session.ort.run, self.feeds
        return lambda: run(None, feeds)

    def answers(self, part: "HeldOut", most_steps: int) -> list[Any]:
        """Of a batch of held-out samples, see `edgenet.tasks.held_out.HeldOut.value`."""
        from edgenet.runtime.answers import read_answers

        return read_answers(part.task, self.session.run(self._feeds_for(part)), part.lengths, part.targets)

    def _feeds_for(self, part: "HeldOut") -> Feeds:
        """Samples, their lengths where the file takes some, and what is needed besides, such as a state of zeros."""
        from edgenet.bench import inputs

        described = self.session.inputs
        # The samples are what a network takes without preprocessing.
        given = part.inputs if self._picture is None else self._picture.pictures(part.inputs)
        shapes = inputs.resolve_shapes(described, {"": list(given.shape)})
        feeds = {**inputs.random_feeds(described, shapes), described[0].name: given}
        # An input that may be left out is none of the session's; a single sample has no padding to tell of.
        optional = [value.name for value in self.session.ort.get_overridable_initializers()]
        if part.lengths is not None and len(part) > 1 and "lengths" in optional:
            feeds["lengths"] = part.lengths
        return feeds

    def feeds_by_file(self) -> list[Feeds]:
        """What each file is fed, the sample once."""
        return [self.feeds]


def _embedded_pictures(session: InferenceSession) -> "PicturePreprocessing | None":
    """How a file's samples come from the pictures that it takes; None where it takes samples."""
    described = session.metadata.get("preprocessing")
    if not isinstance(described, dict) or not described.get("embedded"):
        return None
    from edgenet.tasks.pictures import PicturePreprocessing

    return PicturePreprocessing.of(described)


class EncoderAndDecoder:
    """Two files: what is timed is the encoder once, and the decoder as many steps as the right answer has."""

    fixed_batch = None

    def __init__(self, encoder: InferenceSession, decoder: InferenceSession, held_out: "HeldOut | None") -> None:
        from edgenet.runtime.decoding import SequenceDecoder

        if held_out is None:
            raise EdgenetError(
                "An encoder and its decoder are measured on the samples.npz of their run folder: leave it beside them, "
                "and give no input shapes."
            )
        self.encoder, self.decoder = encoder, decoder
        self.pair = SequenceDecoder(encoder, decoder, held_out.begin, held_out.end)
        self.sample = held_out.typical()

    @property
    def input_shape(self) -> list[int]:
        """Of the encoder."""
        return list(self.sample.inputs.shape)

    def once(self) -> Callable[[], object]:
        """What is timed."""
        from edgenet.runtime.decoding import SequenceDecoder

        # No token ends it, so that networks which say more or less do the same work.
        endless = SequenceDecoder(self.encoder, self.decoder, self.pair.begin, _NO_END)
        inputs, steps = self.sample.inputs, self.sample.targets.shape[1] - 1
        return lambda: endless.greedy(inputs, None, steps)

    def answers(self, part: "HeldOut", most_steps: int) -> list[Any]:
        """Of a batch of held-out samples, by greedy search."""
        return self.pair.greedy(part.inputs, self._lengths(part), most_steps)

    def _lengths(self, part: "HeldOut") -> np.ndarray | None:
        optional = [value.name for value in self.encoder.ort.get_overridable_initializers()]
        return part.lengths if "lengths" in optional else None

    def feeds_by_file(self) -> list[Feeds]:
        """What each file is fed, the sample once: the encoder's, and the decoder's a step."""
        feeds: Feeds = {"input": self.sample.inputs}
        memory, state, memory_lengths = self.encoder.run(feeds)
        read = self.sample.targets[:, :1]
        return [feeds, {"input": read, "state": state, "memory": memory, "memory_lengths": memory_lengths}]
