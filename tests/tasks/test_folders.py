import numpy as np
import pytest
from PIL import Image

from edgenet.errors import EdgenetError
from edgenet.tasks import load


def make_images(folder, count, colour=(255, 0, 0), size=(20, 10)):
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", size, colour).save(folder / f"{index:03}.png")


def test_a_folder_a_class_is_split_by_class_and_the_split_is_recorded(tmp_path):
    make_images(tmp_path / "cat", 10)
    make_images(tmp_path / "dog", 25)
    data = load(tmp_path, (3, 8, 8))
    assert data.classes == ["cat", "dog"]
    assert np.bincount(data.test.targets).tolist() == [2, 5]
    assert np.bincount(data.train.targets).tolist() == [8, 20]
    assert len(data.files["train"]) == 28
    assert not set(data.files["train"]) & set(data.files["test"])
    assert all((tmp_path / name).is_file() for name in data.files["train"] + data.files["test"])


def test_the_split_is_the_same_each_time(tmp_path):
    make_images(tmp_path / "cat", 10)
    make_images(tmp_path / "dog", 10)
    first, second = load(tmp_path), load(tmp_path)
    assert first.files == second.files


def test_train_and_test_folders_are_taken_as_they_are(tmp_path):
    make_images(tmp_path / "train" / "a", 3)
    make_images(tmp_path / "train" / "b", 4)
    make_images(tmp_path / "test" / "b", 2)
    data = load(tmp_path, (3, 8, 8))
    assert (len(data.train), len(data.test)) == (7, 2)
    assert data.test.targets.tolist() == [1, 1]
    assert data.files["test"] == ["test/b/000.png", "test/b/001.png"]


def test_images_are_scaled_cropped_in_the_middle_and_normalised(tmp_path):
    make_images(tmp_path / "a", 2, (255, 0, 128), (40, 10))
    make_images(tmp_path / "b", 2, (0, 0, 0), (8, 30))
    data = load(tmp_path, (3, 8, 12))
    assert data.train.raw.shape == (2, 3, 8, 12)
    assert data.train.raw[0, :, 4, 6].tolist() == [255, 0, 128]
    pixel = data.train.inputs()[0, :, 4, 6]
    expected = (np.array([1, 0, 128 / 255]) - data.preprocessing["mean"]) / data.preprocessing["std"]
    np.testing.assert_allclose(pixel, expected, atol=1e-5)
    assert load(tmp_path, (1, 8, 8)).train.raw.shape == (2, 1, 8, 8)


def test_pictures_of_any_mode_are_read(tmp_path):
    make_images(tmp_path / "a", 2)
    (tmp_path / "b").mkdir()
    Image.new("P", (9, 9)).save(tmp_path / "b" / "palette.gif")
    Image.new("RGBA", (9, 9)).save(tmp_path / "b" / "clear.PNG")
    Image.new("L", (9, 9)).save(tmp_path / "b" / "grey.jpg")
    (tmp_path / "b" / "notes.txt").write_text("not a picture")
    (tmp_path / "b" / ".hidden.png").write_text("not a picture")
    data = load(tmp_path)
    assert len(data.train) + len(data.test) == 5


def break_nothing(folder):
    pass


def one_class(folder):
    make_images(folder / "only", 4)


def empty_class(folder):
    make_images(folder / "full", 4)
    (folder / "empty").mkdir()


def lone_image(folder):
    make_images(folder / "a", 4)
    make_images(folder / "b", 1)


def unreadable_image(folder):
    make_images(folder / "a", 4)
    make_images(folder / "b", 4)
    (folder / "b" / "broken.jpg").write_bytes(b"\xff\xd8 this is no picture")


def truncated_image(folder):
    make_images(folder / "a", 4)
    make_images(folder / "b", 4)
    path = folder / "b" / "000.png"
    path.write_bytes(path.read_bytes()[:-25])


def surprise_in_test(folder):
    make_images(folder / "train" / "a", 2)
    make_images(folder / "train" / "b", 2)
    make_images(folder / "test" / "c", 2)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (break_nothing, "no images in .*: it needs one folder a class"),
        (one_class, "only one class, 'only'"),
        (empty_class, "folder .*empty of a class holds no images"),
        (lone_image, r"class 'b' has one image only, .*000\.png"),
        (unreadable_image, r"image .*broken\.jpg cannot be read"),
        (truncated_image, r"image .*000\.png cannot be read"),
        (surprise_in_test, "class 'c' is in .*test but not in .*train"),
    ],
)
def test_folders_that_do_not_serve_are_refused_by_name(tmp_path, prepare, message):
    prepare(tmp_path)
    with pytest.raises(EdgenetError, match=message):
        load(tmp_path, (3, 8, 8))


def test_sequences_cannot_come_from_images(tmp_path):
    with pytest.raises(EdgenetError, match="takes sequences"):
        load(tmp_path, None, "sequence-classification")
