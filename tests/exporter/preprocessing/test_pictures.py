"""Pictures as they are, in: what Pillow and numpy make of them, out."""

import numpy as np
import pytest
from PIL import Image

from edgenet.tasks import load
from edgenet.tasks.dataset import describe_images
from edgenet.tasks.folders import read_images
from edgenet.tasks.pictures import PicturePreprocessing
from tests.exporter.preprocessing.graphs import identity

MEAN, STD = np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.25, 0.3], np.float32)


def described(channels, side):
    return describe_images(
        (channels, side, side), "shorter side, then crop in the middle", MEAN[:channels], STD[:channels]
    )


def picture(height, width, mode):
    """Soft shapes in colours, as in a photograph."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [128 + 120 * np.sin(9 * x + k) * np.cos(7 * y - 2 * k) for k in range(4)]
    return Image.fromarray(np.stack(waves, -1).astype(np.uint8), "RGBA").convert(mode)


def as_array(image):
    pixels = np.asarray(image)
    return (pixels[..., None] if pixels.ndim == 2 else pixels)[None]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_any_channels_become_those_of_the_network(channels, mode):
    image = picture(24, 24, mode)
    (sample,) = identity((channels, 24, 24), described(channels, 24)).run({"image": as_array(image)})
    expected = as_array(image.convert("L" if channels == 1 else "RGB"))
    how = PicturePreprocessing.of(described(channels, 24))
    np.testing.assert_array_equal(sample, how.samples(expected))


@pytest.mark.parametrize(("height", "width"), [(240, 320), (97, 33), (24, 25), (11, 17), (1, 50)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_picture_of_any_size_is_scaled_and_cropped_as_pillow_does_it(height, width, mode):
    channels = len(mode) if mode == "RGB" else 1
    image = picture(height, width, mode)
    (sample,) = identity((channels, 24, 24), described(channels, 24)).run({"image": as_array(image)})
    how = PicturePreprocessing.of(described(channels, 24))
    side, left, top = min(height, width), (width - min(height, width)) // 2, (height - min(height, width)) // 2
    cropped = image.crop((left, top, left + side, top + side))
    expected = how.samples(as_array(cropped.resize((24, 24), Image.Resampling.BILINEAR)))
    levels = np.abs(sample - expected) / how.scale.reshape(-1, 1, 1)
    assert levels.max() < 2.01  # each of the two passes rounds
    assert levels.mean() < 0.5


def test_what_training_saw_of_a_folder_differs_by_less_than_half_a_pixel(tmp_path):
    image = picture(300, 401, "RGB")
    image.save(tmp_path / "image.png")
    how = PicturePreprocessing.of(described(3, 24))
    (sample,) = identity((3, 24, 24), described(3, 24)).run({"image": as_array(image)})
    expected = how.samples(read_images([tmp_path / "image.png"], (3, 24, 24)).transpose(0, 2, 3, 1))
    assert (np.abs(sample - expected) / how.scale.reshape(-1, 1, 1)).max() < 3


def test_a_digit_lies_in_the_middle_of_black():
    digits = load("digits", (3, 32, 36))
    how = PicturePreprocessing.of(digits.preprocessing)
    raw = digits.test.raw[:20, :1, 2:30, 4:32].transpose(0, 2, 3, 1)
    (samples,) = identity((3, 32, 36), digits.preprocessing).run({"image": raw})
    np.testing.assert_array_equal(samples, digits.test.inputs(slice(0, 20)))
    np.testing.assert_array_equal(how.pictures(samples), np.repeat(raw, 3, -1))


def test_rows_of_a_digit_are_a_sequence():
    digits = load("digits", (28, 28), task="sequence-classification")
    (samples,) = identity((28, 28), digits.preprocessing).run({"image": digits.test.raw[:20, ..., None]})
    np.testing.assert_array_equal(samples, digits.test.inputs(slice(0, 20)))
