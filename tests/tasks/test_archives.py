"""MNIST, Fashion-MNIST and CIFAR-10 from files that are there."""

import os
import pickle

import numpy as np
import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import load
from tests.tasks.archives import BATCHES, binary_batch, colour_images, grey_images, idx_bytes, write_cifar, write_idx


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize(
    ("place", "packed", "dotted"),
    [("", True, False), ("{name}", False, False), ("{torchvision}/raw", True, False), ("", False, True)],
)
def test_idx_files_are_read_where_people_keep_them(name, place, packed, dotted, tmp_path):
    torchvision = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name]
    write_idx(tmp_path / place.format(name=name, torchvision=torchvision), packed, dotted)
    data = load(name, (1, 28, 28), data_dir=tmp_path)
    images, labels = grey_images("train")
    np.testing.assert_array_equal(data.train.raw[:, 0], images)
    assert data.train.targets.tolist() == labels.tolist()
    assert (data.name, len(data.test), len(data.classes)) == (name, 10, 10)


def test_the_environment_names_the_data_folder_too(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGENET_DATA", str(write_idx(tmp_path)))
    data = load("mnist", task="sequence-classification")
    assert not data.mirrors
    np.testing.assert_array_equal(data.test.raw, grey_images("t10k")[0])


def test_images_lie_in_the_middle_and_are_normalised_as_the_preprocessing_says(tmp_path):
    data = load("fashion-mnist", (3, 32, 32), data_dir=write_idx(tmp_path))
    assert data.mirrors
    image = grey_images("train")[0][0]
    expected = (image / 255 - data.preprocessing["mean"][0]) / data.preprocessing["std"][0]
    np.testing.assert_allclose(data.train.inputs(slice(0, 1))[0, 1, 2:30, 2:30], expected, atol=1e-5)


def cut_short(folder):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])


def something_else(folder):
    (folder / "train-images-idx3-ubyte").write_text("<html>not found</html>")


def no_gzip(folder):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b no gzip")


def labels_of_another(folder):
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(19, np.uint8)))


def class_eleven(folder):
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(20, 10, np.uint8)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short, "train-images-idx3-ubyte is no idx file of bytes, or is cut short"),
        (
            something_else,
            "train-images-idx3-ubyte is no idx file|train-images-idx3-ubyte cannot be read as an idx file",
        ),
        (no_gzip, r"train-images-idx3-ubyte\.gz cannot be read as an idx file"),
        (labels_of_another, "are not images of 28x28 and their classes"),
        (class_eleven, "are not images of 28x28 and their classes"),
    ],
)
def test_damaged_idx_files_are_refused_by_name(damage, message, tmp_path):
    damage(write_idx(tmp_path, packed=False))
    with pytest.raises(EdgenetError, match=message):
        load("mnist", data_dir=tmp_path)


@pytest.mark.parametrize("layout", ["binary", "python"])
@pytest.mark.parametrize("packed", [True, False])
def test_cifar10_is_read_in_both_of_its_layouts(layout, packed, tmp_path):
    data = load("cifar10", data_dir=write_cifar(tmp_path, layout, packed))
    images, classes = (np.concatenate(part) for part in zip(*map(colour_images, BATCHES[:5]), strict=True))
    np.testing.assert_array_equal(data.train.raw, images)
    assert data.train.targets.tolist() == classes.tolist()
    np.testing.assert_array_equal(data.test.raw, colour_images("test_batch")[0])
    assert data.classes[3] == "cat"


def test_grey_cifar10_is_the_luma_of_the_colours(tmp_path):
    data = load("cifar10", (1, 32, 32), data_dir=write_cifar(tmp_path, "binary", False))
    red, green, blue = colour_images("test_batch")[0][0].astype(float)
    np.testing.assert_allclose(data.test.raw[0, 0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1)


class Trap:
    """Unpickled in the ordinary way, it makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path):
    write_cifar(tmp_path, "python", False)
    trap = pickle.dumps({b"data": Trap(tmp_path / "sprung"), b"labels": [0]}, protocol=4)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(trap)
    with pytest.raises(EdgenetError, match=r"cifar-10-batches-py cannot be read as CIFAR-10 .*mkdir"):
        load("cifar10", data_dir=tmp_path)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(trap)
    assert (tmp_path / "sprung").exists()  # it was a trap


def test_a_pickle_as_python_2_wrote_it_is_read(tmp_path):
    write_cifar(tmp_path, "python", False)
    images, classes = colour_images("test_batch")
    content = images.tobytes()
    # Protocol 2 of Python 2: strings are bytes, and numpy 1 has its function in numpy.core.
    body = (
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x04M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89T" + len(content).to_bytes(4, "little") + content + b"tbU\x06labels]("
        + b"".join(b"K" + bytes([number]) for number in classes) + b"eu."
    )  # fmt: skip
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(body)
    data = load("cifar10", data_dir=tmp_path)
    np.testing.assert_array_equal(data.test.raw, images)
    assert data.test.targets.tolist() == classes.tolist()


def no_archive(folder):
    (folder / "cifar-10-binary.tar.gz").write_text("<html>")


def missing_batch(folder):
    write_cifar(folder, "binary", False)
    (folder / "cifar-10-batches-bin" / "data_batch_4.bin").unlink()


def cut_batch(folder):
    write_cifar(folder, "binary", False)
    (folder / "cifar-10-batches-bin" / "data_batch_4.bin").write_bytes(binary_batch("test_batch")[:-5])


def class_two_hundred(folder):
    write_cifar(folder, "binary", False)
    (folder / "cifar-10-batches-bin" / "data_batch_4.bin").write_bytes(b"\xc8" + binary_batch("test_batch")[1:])


def cut_pickle(folder):
    write_cifar(folder, "python", False)
    path = folder / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize("damage", [no_archive, missing_batch, cut_batch, class_two_hundred, cut_pickle])
def test_damaged_cifar10_is_refused_by_name(damage, tmp_path):
    damage(tmp_path)
    with pytest.raises(EdgenetError, match=r"cifar-10-.* cannot be read as CIFAR-10"):
        load("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "shape", "task", "message"),
    [
        ("mnist", (1, 20, 20), "image-classification", "mnist are images of 1 or 3 channels and at least 28x28"),
        ("fashion-mnist", (14, 56), "sequence-classification", r"sequences of shape \(28, 28\)"),
        ("cifar10", (3, 64, 64), "image-classification", r"cifar10 are images of shape \(3, 32, 32\) or"),
        ("cifar10", None, "sequence-classification", "cifar10 are images"),
    ],
)
def test_shapes_that_a_set_cannot_give_are_refused(name, shape, task, message, tmp_path):
    write_cifar(write_idx(tmp_path), "binary", False)
    with pytest.raises(EdgenetError, match=message):
        load(name, shape, task, tmp_path)


def test_a_data_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(EdgenetError, match=r"data folder .*nowhere is not there"):
        load("mnist", data_dir=tmp_path / "nowhere")
