"""Folders of WAV files."""

import numpy as np
import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import load_sequences
from edgenet.tasks.features import AudioFeatures
from tests.tasks.test_features import RATE, tone, write

HERTZ = {"low": 300, "high": 2000}


def record(path, hertz=300, seconds=0.1, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, (tone(hertz, seconds) * 20000).astype("<i2"), rate=rate)


@pytest.fixture
def spoken(tmp_path):
    """Two words by two speakers, seven recordings each, of 0.10 to 0.16 s."""
    for label, hertz in HERTZ.items():
        for speaker in ("ann", "bob"):
            for index in range(7):
                record(tmp_path / "spoken" / f"{label}_{speaker}_{index}.wav", hertz, 0.1 + index / 100)
    return tmp_path / "spoken"


def test_indices_0_to_4_are_the_test_set(spoken):
    data = load_sequences(spoken)
    assert data.task == "sequence-classification"
    assert data.classes == ["high", "low"]
    assert (len(data.train), len(data.test)) == (8, 20)
    assert {name[-5] for name in data.files["test"]} == set("01234")


def test_lengths_are_those_of_the_recordings(spoken):
    data = load_sequences(spoken, test_indices=[6])
    frames = {round(0.1 * RATE + index * 80 - 200) // 80 + 1 for index in range(6)}
    assert set(data.train.raw.lengths.tolist()) == frames
    batch = data.train.batch()
    assert batch.inputs.shape == (24, max(frames), 40)
    assert not batch.inputs[batch.lengths < max(frames), -1].any()


def test_features_of_the_training_split_have_mean_0_and_deviation_1(spoken):
    data = load_sequences(spoken)
    batch = data.train.batch()
    frames = batch.inputs[np.arange(batch.inputs.shape[1]) < batch.lengths[:, None]]
    np.testing.assert_allclose(frames.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(frames.std(0), 1, atol=1e-3)
    np.testing.assert_allclose(data.preprocessing["mean"], data.train.mean)


def test_the_preprocessing_is_enough_to_make_a_sample(spoken):
    data = load_sequences(spoken, features=AudioFeatures("mfcc", bands=20, coefficients=8))
    names = ("kind", "bands", "coefficients", "window_ms", "hop_ms")
    features = AudioFeatures(**{name: data.preprocessing[name] for name in names})
    sound = np.round(tone(2000, 0.1) * 20000) / 32768
    frames = features.compute(sound.astype(np.float32), data.preprocessing["rate"])
    sample = (frames - data.preprocessing["mean"]) / data.preprocessing["std"]
    index = data.files["test"].index("high_ann_0.wav")
    np.testing.assert_allclose(data.test.batch().inputs[index, : len(sample)], sample, atol=0.02)


def test_a_folder_a_class_is_split_by_name(tmp_path):
    for label, hertz in HERTZ.items():
        for number in range(10):
            record(tmp_path / label / f"{number}.wav", hertz)
    data = load_sequences(tmp_path)
    assert np.bincount(data.test.targets).tolist() == [2, 2]
    assert data.files == load_sequences(tmp_path).files
    assert not set(data.files["train"]) & set(data.files["test"])


def test_train_and_test_folders_are_taken_as_they_are(tmp_path):
    for label, hertz in HERTZ.items():
        record(tmp_path / "train" / label / "a.wav", hertz)
        record(tmp_path / "test" / label / "b.WAV", hertz)
    data = load_sequences(tmp_path)
    assert data.files == {
        "train": ["train/high/a.wav", "train/low/a.wav"],
        "test": ["test/high/b.WAV", "test/low/b.WAV"],
    }


def test_names_of_another_pattern_are_read(tmp_path):
    for label, hertz in HERTZ.items():
        for number in range(5):
            record(tmp_path / f"rec-{number}-{label}.wav", hertz)
    data = load_sequences(tmp_path, pattern="rec-{index}-{label}", test_indices=[0])
    assert data.classes == ["high", "low"]
    assert data.files["test"] == ["rec-0-high.wav", "rec-0-low.wav"]


def test_joined_recordings_have_the_class_of_each_frame(spoken):
    data = load_sequences(spoken, "sequence-labelling", joined=(2, 4), joined_count=30)
    assert (data.task, len(data.train), len(data.test)) == ("sequence-labelling", 30, 3)
    batch = data.train.batch()
    assert batch.targets.shape == batch.inputs.shape[:2]
    np.testing.assert_array_equal(batch.lengths, batch.target_lengths)
    # The bands of the two tones tell which is heard, but for frames that hear two recordings.
    bands = [AudioFeatures().compute(tone(HERTZ[name]), RATE).mean(0).argmax() for name in data.classes]
    raw = data.train.raw.values[:, bands]
    assert np.mean(raw.argmax(1) == data.train.targets.values) > 0.9


def test_joined_samples_are_the_same_each_time_and_others_with_another_seed(spoken):
    one, again, other = (
        load_sequences(spoken, "sequence-labelling", joined_count=10, seed=seed).train.targets.values.tolist()
        for seed in (0, 0, 1)
    )
    assert one == again
    assert one != other


def no_recordings(folder):
    (folder / "notes.txt").write_text("nothing to hear")


def misnamed(folder):
    record(folder / "low_ann_0.wav")
    record(folder / "hello.wav")


def one_class(folder):
    record(folder / "low_ann_0.wav")
    record(folder / "low_ann_7.wav")


def class_of_the_test_alone(folder):
    record(folder / "low_ann_7.wav")
    record(folder / "mid_ann_7.wav")
    record(folder / "high_ann_0.wav")


def other_rate(folder):
    record(folder / "low_ann_0.wav")
    record(folder / "low_ann_7.wav")
    record(folder / "high_ann_7.wav", rate=16000)


def all_for_the_test(folder):
    record(folder / "low_ann_0.wav")
    record(folder / "high_ann_0.wav")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (no_recordings, r"no \.wav files in "),
        (misnamed, r"hello\.wav is not named \{label\}_\{speaker\}_\{index\}\.wav"),
        (one_class, "there is one class only, 'low'"),
        (class_of_the_test_alone, "class 'high' is in the test only"),
        (other_rate, r"has 8000 samples a second, others have 16000|has 16000 samples a second, others have 8000"),
        (all_for_the_test, "hold out all or none"),
    ],
)
def test_folders_that_do_not_serve_are_refused(prepare, message, tmp_path):
    from edgenet.tasks.recordings import load_recordings

    prepare(tmp_path)
    with pytest.raises(EdgenetError, match=message):
        load_recordings(tmp_path)


def test_a_pattern_without_a_label_is_refused(spoken):
    with pytest.raises(EdgenetError, match=r"has no \{label\}"):
        load_sequences(spoken, pattern="{speaker}_{index}")
