"""Preprocessing that travels inside the file, as standard operators before the network. Free of torch."""

import json
from typing import Any

import onnx

from edgenet.errors import EdgenetError
from edgenet.exporter.preprocessing.pictures import embed_pictures
from edgenet.exporter.preprocessing.sound import SoundPreprocessing, embed_sound
from edgenet.tasks.pictures import PicturePreprocessing

__all__ = ["EMBEDDED", "SoundPreprocessing", "embed_preprocessing", "find_preprocessing"]

EMBEDDED = "embedded"
"""Key of `edgenet.preprocessing` that is true where the file does all that its other keys tell of."""
_KEY, _SHAPE, _SAMPLE = "edgenet.preprocessing", "edgenet.input_shape", "edgenet.sample_shape"


def find_preprocessing(described: dict[str, Any] | None, name: str) -> PicturePreprocessing | SoundPreprocessing:
    """What is to be embedded, from what a data set says of its preprocessing.

    Raises:
        EdgenetError: it cannot be embedded; the message says why of `name`.
    """
    if not described:
        raise EdgenetError(
            f"{name} does not say how its samples are made; only what has metadata `preprocessing` can embed it"
        )
    found = PicturePreprocessing.of(described) or SoundPreprocessing.of(described)
    if found is None:
        raise EdgenetError(
            f"{name} takes neither pictures of one size nor recordings, whose preprocessing alone can be embedded; "
            "export it without --embed-preprocessing"
        )
    return found


def embed_preprocessing(model: onnx.ModelProto) -> None:
    """Put what the model's own metadata tell of its preprocessing before its first input, in place.

    Pictures: the first input becomes `image`, uint8 [batch, height, width, channels] of any size and of 1 to 4
    channels. Recordings: it becomes `sound`, float32 [batch, samples] between -1 and 1 at the data set's rate; a
    network with a state gets the input `tail` and the output `final_tail` beside it (`embed_sound`). Where it is
    embedded already, nothing happens.

    Raises:
        EdgenetError: there is no preprocessing that could be embedded.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    described = json.loads(metadata.get(_KEY, "{}"))
    if described.get(EMBEDDED):
        return
    found = find_preprocessing(described, metadata.get("edgenet.model") or "the network")
    if isinstance(found, PicturePreprocessing):
        embed_pictures(model.graph, found)
        shape = found.picture_shape
    else:
        embed_sound(model.graph, found)
        # As much sound as the frames of a typical sample cover.
        frames = json.loads(metadata[_SHAPE])[0]
        shape = [found.window + (frames - 1) * found.hop]
    metadata |= {
        _KEY: json.dumps({**described, EMBEDDED: True}), _SHAPE: json.dumps(shape), _SAMPLE: metadata[_SHAPE],
    }  # fmt: skip
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
