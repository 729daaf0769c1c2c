"""MNIST and Fashion-MNIST: idx files, gzipped or plain."""

import gzip
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import IMAGES
from edgenet.tasks.dataset import DataSet
from edgenet.tasks.digits import MEAN, SIDE, STD, Samples, frame_images
from edgenet.tasks.download import Archive, fetch, find_local

_PARTS = {"train": "train", "test": "t10k"}
_KINDS = {"images": "images-idx3-ubyte", "labels": "labels-idx1-ubyte"}
_UNSIGNED_BYTE = 8  # the type's code in the third byte of an idx file


@dataclass(frozen=True)
class IdxArchive(Archive):
    """An archive in MNIST's layout, with mean and standard deviation (0 to 1) of its training images."""

    classes: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    mirrors: bool = False  # as of a `DataSet`


# MD5s as published: MNIST's in torchvision and its mirrors, Fashion-MNIST's in its own README.
_MNIST = IdxArchive(
    "mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    ("MNIST/raw", "MNIST"),
    tuple("0123456789"),
    MEAN,
    STD,
)
_FASHION_MNIST = IdxArchive(
    "fashion-mnist",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    ("FashionMNIST/raw", "FashionMNIST"),
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    0.2860,
    0.3530,
    mirrors=True,
)
ARCHIVES = {archive.name: archive for archive in (_MNIST, _FASHION_MNIST)}


def load_idx(
    archive: IdxArchive, input_shape: tuple[int, ...] | None = None, task: str = IMAGES,
    data_dir: str | Path | None = None,
) -> DataSet:  # fmt: skip
    """The official 60,000 training and 10,000 test images, as `load_digits` gives its own.

    The user's own files, `train-images-idx3-ubyte`, ... with or without `.gz`, in `data_dir` (or EDGENET_DATA), are
    taken as they are; else the archive is downloaded. Raises EdgenetError for files that can't be had or read, and for
    a shape that the images don't fit into.
    """
    samples = {part: _read_part(archive, stem, data_dir) for part, stem in _PARTS.items()}
    data = frame_images(
        archive.name, samples["train"], samples["test"], list(archive.classes), archive.mean, archive.std,
        input_shape, task,
    )  # fmt: skip
    return replace(data, mirrors=archive.mirrors and task == IMAGES)


def _read_part(archive: IdxArchive, stem: str, data_dir: str | Path | None) -> Samples:
    paths = {}
    for kind, ending in _KINDS.items():
        name = f"{stem}-{ending}"
        # Some copies were unpacked under names with a dot: train-images.idx3-ubyte.
        names = (f"{name}.gz", name, f"{stem}-{ending.replace('-', '.', 1)}")
        paths[kind] = find_local(archive, names, data_dir) or fetch(archive, names[0], data_dir)
    images, labels = read_idx(paths["images"]), read_idx(paths["labels"])
    if images.shape != (len(labels), SIDE, SIDE) or labels.ndim != 1 or labels.max(initial=0) >= len(archive.classes):
        raise EdgenetError(
            f"{paths['images']} {list(images.shape)} and {paths['labels']} {list(labels.shape)} are not images of "
            "28x28 and their classes: take both from one archive"
        )
    return images, labels.astype(np.int64)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an idx file of bytes, gzipped where its name ends in .gz (format: LeCun, The MNIST database).

    Two zero bytes, the type's code, the number of axes, the size of each (big-endian, 32 bits), the values. Raises
    EdgenetError for a file that is something else or is cut short.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zeros, code, axes = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise EdgenetError(f"{path} cannot be read as an idx file ({error}): remove it, or get it anew") from error
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if zeros or code != _UNSIGNED_BYTE or len(values) != np.prod(shape):
        raise EdgenetError(f"{path} is no idx file of bytes, or is cut short: remove it, or get it anew")
    return values.reshape(shape)
