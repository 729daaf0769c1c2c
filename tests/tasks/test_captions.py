"""Images and captions."""

import numpy as np
import pytest
from PIL import Image

from edgenet.errors import EdgenetError
from edgenet.tasks import load_sequences

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def pictures(tmp_path):
    """Nine pictures and a table with two captions for each of them."""
    rows = []
    (tmp_path / "pictures").mkdir()
    for name, colour in COLOURS.items():
        for number in range(3):
            Image.new("RGB", (12, 8), colour).save(tmp_path / "pictures" / f"{name}{number}.png")
            rows += [f"pictures/{name}{number}.png\tA {name} square.", f"pictures/{name}{number}.png\tall {name}"]
    (tmp_path / "captions.tsv").write_text("\n".join(rows))
    return tmp_path / "captions.tsv"


def test_captions_go_with_their_images(pictures):
    data = load_sequences(pictures, input_shape=(3, 8, 8))
    assert data.task == "image-captioning"
    assert data.train.raw.shape[1:] == (3, 8, 8)
    for pixels, target in zip(data.train.raw, data.train.targets, strict=True):
        colour = tuple(pixels[:, 4, 4].tolist())
        assert COLOURS[next(name for name in COLOURS if name in data.target_vocabulary.decode(target))] == colour


def test_every_caption_is_learnt_and_every_image_tested_once(pictures):
    data = load_sequences(pictures, input_shape=(3, 8, 8))
    assert (len(data.train), len(data.test)) == (14, 2)
    assert (len(data.files["train"]), len(data.files["test"])) == (7, 2)
    for references in data.test.references:
        assert len(references) == 2


def test_a_batch_has_normalised_images_and_padded_captions(pictures):
    data = load_sequences(pictures, input_shape=(3, 8, 8))
    batch = data.train.batch(np.array([0, 1]))
    assert batch.inputs.shape == (2, 3, 8, 8)
    expected = (data.train.raw[0, :, 0, 0] / 255 - data.preprocessing["mean"]) / data.preprocessing["std"]
    np.testing.assert_allclose(batch.inputs[0, :, 0, 0], expected, atol=1e-5)
    assert batch.target_lengths.tolist() == [6, 4]  # begin a red square . end; begin all red end
    assert batch.targets[1, 4:].tolist() == [0, 0]


def test_tables_of_train_and_test_with_names_in_a_first_row_are_taken_as_they_are(pictures):
    folder = pictures.parent
    pictures.unlink()
    (folder / "train.csv").write_text(
        'file,size,caption\npictures/red0.png,1,"red, all red"\npictures/blue0.png,1,blue\n'
    )
    (folder / "test.csv").write_text("file,size,caption\npictures/red1.png,1,red\n")
    data = load_sequences(folder, "image-captioning", input_shape=(1, 8, 8))
    assert data.train.references == (("red, all red",), ("blue",))
    assert data.files["test"] == ["pictures/red1.png"]
    assert data.train.raw.shape == (2, 1, 8, 8)


def test_an_image_that_is_not_there_is_named(pictures):
    (pictures.parent / "pictures" / "red1.png").unlink()
    with pytest.raises(EdgenetError, match=r"image .*red1\.png cannot be read"):
        load_sequences(pictures)


def test_images_have_one_or_three_channels(pictures):
    with pytest.raises(EdgenetError, match="images have 1 or 3 channels"):
        load_sequences(pictures, input_shape=(2, 8, 8))
