"""Sound as it is, in: the features that training saw, out, in one piece or many."""

import numpy as np
import pytest

from edgenet.exporter.preprocessing.sound import SoundPreprocessing, made_up_sounds
from edgenet.tasks.features import AudioFeatures
from tests.exporter.preprocessing.graphs import identity


def described(features, rate):
    random = np.random.default_rng(0)
    mean, std = random.normal(-3, 1, features.size), random.uniform(1, 3, features.size)
    return {"layout": "TF", **features.as_dict(), "rate": rate, "mean": mean.tolist(), "std": std.tolist()}


@pytest.mark.parametrize("rate", [8000, 16000, 11025])
@pytest.mark.parametrize("features", [AudioFeatures(), AudioFeatures("mfcc", 20, 8, 32, 15)])
def test_features_are_those_that_training_saw(features, rate):
    how = described(features, rate)
    sounds = made_up_sounds(3, rate // 2 + 7, rate)
    sounds[0, : rate // 4] = 0  # digital silence
    (frames,) = identity(("time", features.size), how).run({"sound": sounds})
    expected = SoundPreprocessing.of(how).samples(sounds)
    assert frames.shape == expected.shape
    np.testing.assert_allclose(frames, expected, atol=2e-3)


def test_a_stream_in_pieces_of_any_length_gives_the_frames_of_the_whole():
    features = AudioFeatures()
    how = described(features, 8000)
    session = identity(("time", features.size), how, state=True)
    (sound,) = made_up_sounds(1, 6000, 8000)
    feeds = {"tail": np.zeros((1, 0), np.float32), "state": np.ones((1, 1, 2), np.float32)}
    pieces, at = [], 0
    for length in (200, 1000, 333, 201, 2000, 2266):
        frames, state, tail = session.run({**feeds, "sound": sound[None, at : at + length]})
        feeds = {"tail": tail, "state": state}
        pieces.append(frames)
        at += length
        assert tail.shape[1] < 200 + 80
    assert at == len(sound)
    np.testing.assert_allclose(np.concatenate(pieces, 1), SoundPreprocessing.of(how).samples(sound[None]), atol=2e-3)
