"""Time series in .ts files of one's own."""

import numpy as np
import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import load_sequences

TRAIN = ["1,2,3:10,20,30:up", "3,2:30,20:down"]


def write(folder, train=TRAIN, test=("5,6:50,60:up",)):
    for part, lines in (("TRAIN", train), ("TEST", test)):
        (folder / f"Slopes_{part}.ts").write_text("#A comment\n@problemName Slopes\n@data\n" + "\n".join(lines))
    return folder


def test_a_line_is_a_sample_of_features_by_step(tmp_path):
    data = load_sequences(write(tmp_path))
    assert data.train.raw[0].tolist() == [[1, 10], [2, 20], [3, 30]]
    assert data.train.raw.lengths.tolist() == [3, 2]
    assert [data.classes[target] for target in data.train.targets] == ["up", "down"]
    assert data.input_shape == (None, 2)


def test_both_splits_are_normalised_by_the_training_split(tmp_path):
    data = load_sequences(write(tmp_path))
    steps = np.array([1, 2, 3, 3, 2])
    expected = (np.array([5, 6]) - steps.mean()) / steps.std()
    np.testing.assert_allclose(data.test.batch().inputs[0, :, 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": []}, r"Slopes_TRAIN\.ts has no time series behind @data"),
        ({"train": [*TRAIN, "1,2:3:up"]}, r"Slopes_TRAIN\.ts, line 6 is no time series"),
        ({"train": [*TRAIN, "1,?:3,4:up"]}, r"Slopes_TRAIN\.ts, line 6 is no time series"),
        ({"train": [*TRAIN, "1,2:up"]}, r"Slopes_TRAIN\.ts, line 6 has not as many features"),
        ({"train": TRAIN[:1]}, "there is one class only, 'up'"),
        ({"test": ["1,2:3,4:flat"]}, "class 'flat' is in the test only"),
        ({"test": ["1,2:up"]}, r"Slopes_TRAIN\.ts has 2 features and .*Slopes_TEST\.ts 1"),
    ],
)
def test_series_that_do_not_serve_are_refused(files, message, tmp_path):
    with pytest.raises(EdgenetError, match=message):
        load_sequences(write(tmp_path, **files))


def test_of_several_series_those_named_as_the_folder_are_taken(tmp_path):
    (tmp_path / "Slopes").mkdir()
    folder = write(tmp_path / "Slopes")
    for part in ("TRAIN", "TEST"):
        (folder / f"Slopes_eq_{part}.ts").write_text("@data\n1:a\n1:b\n")
    assert load_sequences(folder).classes == ["down", "up"]


def test_a_missing_half_is_named(tmp_path):
    (write(tmp_path) / "Slopes_TEST.ts").unlink()
    with pytest.raises(EdgenetError, match=r"needs one file NAME_TEST\.ts, it has 0"):
        load_sequences(tmp_path)
