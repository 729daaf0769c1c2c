import subprocess
import sys

import numpy as np
import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import load


def test_four_thousand_to_train_on_one_thousand_held_out_equally_many_of_each_class():
    data = load("digits")
    assert np.bincount(data.train.targets).tolist() == [400] * 10
    assert np.bincount(data.test.targets).tolist() == [100] * 10
    assert data.classes == list("0123456789")


def test_no_digit_is_in_both_halves():
    data = load("digits")
    train = {image.tobytes() for image in data.train.raw}
    assert not any(image.tobytes() in train for image in data.test.raw)


def test_images_are_the_rows_with_black_around():
    images = load("digits", (3, 32, 32)).test
    rows = load("digits", task="sequence-classification").test
    assert rows.raw.shape == (1000, 28, 28)
    for channel in range(3):
        np.testing.assert_array_equal(images.raw[:, channel, 2:30, 2:30], rows.raw)
    assert images.raw.sum() == 3 * rows.raw.sum(dtype=np.int64)


@pytest.mark.parametrize(("shape", "task"), [((1, 32, 32), "image-classification"), (None, "sequence-classification")])
def test_inputs_are_normalised_as_the_preprocessing_says(shape, task):
    data = load("digits", shape, task)
    inputs = data.train.inputs(np.array([5, 1]))
    assert inputs.dtype == np.float32
    mean, std = data.preprocessing["mean"][0], data.preprocessing["std"][0]
    expected = (data.train.raw[[5, 1]] * data.preprocessing["scale"] - mean) / std
    np.testing.assert_allclose(inputs, expected, atol=1e-5)
    assert data.input_shape == tuple(data.preprocessing["shape"]) == inputs.shape[1:]


@pytest.mark.parametrize(
    ("data", "shape", "task", "message"),
    [
        ("digits", (2, 32, 32), "image-classification", "1 or 3 channels and at least 28x28"),
        ("digits", (1, 20, 20), "image-classification", "at least 28x28"),
        ("digits", (14, 56), "sequence-classification", r"shape \(28, 28\)"),
        (
            "svhn",
            None,
            "image-classification",
            "no data set named 'svhn' and no folder there: use one of digits, mnist",
        ),
        ("digits", None, "translation", "unknown task 'translation'"),
    ],
)
def test_what_the_set_cannot_give_is_refused(data, shape, task, message):
    with pytest.raises(EdgenetError, match=message):
        load(data, shape, task)


def test_data_need_no_torch():
    code = "import sys; from edgenet.tasks import load; load('digits'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
