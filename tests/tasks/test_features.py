"""Sound to features."""

import wave

import numpy as np
import pytest
from scipy.fft import dct

from edgenet.errors import EdgenetError
from edgenet.tasks.features import AudioFeatures, read_wave

RATE = 8000


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE).astype(np.float32)


def write(path, samples: np.ndarray, width: int = 2, channels: int = 1, rate: int = RATE):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def test_a_frame_covers_a_window_and_starts_a_hop_after_the_last():
    features = AudioFeatures(window_ms=25, hop_ms=10)
    assert features.frame_samples(RATE) == (200, 80)
    for samples, frames in ((1, 1), (200, 1), (279, 1), (280, 2), (8000, 98)):
        assert features.compute(np.zeros(samples, np.float32), RATE).shape == (frames, 40)


def test_a_frame_hears_nothing_that_comes_after_its_window():
    features = AudioFeatures()
    sound = tone(440)
    later = sound.copy()
    later[1000:] = 0
    whole = (1000 - 200) // 80 + 1
    np.testing.assert_array_equal(features.compute(sound, RATE)[:whole], features.compute(later, RATE)[:whole])


@pytest.mark.parametrize("hertz", [300, 1000, 3000])
def test_a_tone_is_loudest_in_the_band_around_it(hertz):
    # Centres of 40 bands that are equally wide in mel between 0 and 4,000 Hz.
    top = 2595 * np.log10(1 + 4000 / 700)
    centres = 700 * (10 ** (np.arange(1, 41) * top / 41 / 2595) - 1)
    loudest = AudioFeatures().compute(tone(hertz), RATE).mean(0).argmax()
    assert loudest == np.abs(centres - hertz).argmin()


def test_sound_twice_as_strong_has_log_energies_higher_by_log_4():
    features = AudioFeatures()
    sound = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    difference = features.compute(2 * sound, RATE) - features.compute(sound, RATE)
    np.testing.assert_allclose(difference, np.log(4), atol=1e-4)


def test_silence_has_finite_features():
    assert np.isfinite(AudioFeatures("mfcc").compute(np.zeros(800, np.float32), RATE)).all()


def test_cepstral_coefficients_are_the_cosine_transform_of_the_log_energies():
    sound = tone(700) + tone(1900)
    log_mel = AudioFeatures("log-mel").compute(sound, RATE)
    expected = dct(log_mel, type=2, norm="ortho", axis=1)[:, :13]
    np.testing.assert_allclose(AudioFeatures("mfcc").compute(sound, RATE), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("width", "samples"),
    [
        (1, np.array([128, 255, 0, 192], np.uint8)),
        (2, np.array([0, 32512, -32768, 16384], "<i2")),
        (3, np.array([0, 0, 0, 0, 0, 0x7F, 0, 0, 0x80, 0, 0, 0x40], np.uint8)),
        (4, np.array([0, 127 << 24, -(1 << 31), 1 << 30], "<i4")),
    ],
)
def test_samples_of_any_width_lie_between_minus_one_and_one(width, samples, tmp_path):
    sound, rate = read_wave(write(tmp_path / "a.wav", samples, width))
    np.testing.assert_allclose(sound, [0, 127 / 128, -1, 0.5])
    assert rate == RATE


def test_channels_are_averaged(tmp_path):
    sound, _ = read_wave(write(tmp_path / "a.wav", np.array([0, 16384, -16384, 16384], "<i2"), channels=2))
    assert sound.tolist() == [0.25, 0]


@pytest.mark.parametrize("content", [b"", b"ID3 no wave", b"RIFF\x24\x00\x00\x00WAVE"])
def test_what_is_no_wav_is_refused_by_name(content, tmp_path):
    (tmp_path / "song.wav").write_bytes(content)
    with pytest.raises(EdgenetError, match=r"recording .*song\.wav cannot be read"):
        read_wave(tmp_path / "song.wav")


def test_a_recording_of_no_length_is_refused(tmp_path):
    with pytest.raises(EdgenetError, match=r"recording .*a\.wav holds no sound"):
        read_wave(write(tmp_path / "a.wav", np.array([], "<i2")))


@pytest.mark.parametrize("options", [{"kind": "chroma"}, {"bands": 0}, {"coefficients": 41}, {"hop_ms": 0}])
def test_features_that_there_are_not_are_refused(options):
    with pytest.raises(EdgenetError):
        AudioFeatures(**options)
