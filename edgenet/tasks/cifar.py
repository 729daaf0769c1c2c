"""CIFAR-10, in the binary or the Python layout of its authors. Nothing in a file is ever executed."""

import io
import pickle
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import IMAGES
from edgenet.tasks.dataset import DataSet, Split, describe_images
from edgenet.tasks.download import Archive, fetch, find_local

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
# Of the 50,000 training images, by colour.
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
SIDE = 32
PIXELS = 3 * SIDE * SIDE
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma
# MD5s as published on the authors' page.
ARCHIVE = Archive(
    "cifar10",
    "https://www.cs.toronto.edu/~kriz/",
    {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    ("cifar-10", "CIFAR10"),
)
_SOURCES = ("cifar-10-batches-bin", "cifar-10-batches-py", "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
_TRAIN, _TEST = [f"data_batch_{number}" for number in range(1, 6)], ["test_batch"]
_UNREADABLE = (
    OSError, EOFError, zlib.error, tarfile.TarError, pickle.UnpicklingError, KeyError, ValueError, TypeError,
    AttributeError, IndexError,
)  # fmt: skip
Samples = tuple[NDArray[np.uint8], NDArray[np.int64]]


def load_cifar10(
    input_shape: tuple[int, ...] | None = None, task: str = IMAGES, data_dir: str | Path | None = None,
    archive: Archive = ARCHIVE,
) -> DataSet:  # fmt: skip
    """The official 50,000 training and 10,000 test images, in colour (3, 32, 32) or grey (1, 32, 32).

    The user's own `cifar-10-batches-bin`, `cifar-10-batches-py`, or either as `cifar-10-binary.tar.gz`,
    `cifar-10-python.tar.gz`, in `data_dir` (or EDGENET_DATA) is taken as it is; else the binary archive is downloaded.
    Raises EdgenetError for files that can't be had or read, and for another shape.
    """
    shape = tuple(input_shape or (3, SIDE, SIDE))
    if task != IMAGES or shape not in ((3, SIDE, SIDE), (1, SIDE, SIDE)):
        raise EdgenetError(f"cifar10 are images of shape (3, 32, 32) or (1, 32, 32), the network wants {shape}")
    source = find_local(archive, _SOURCES, data_dir) or fetch(archive, next(iter(archive.md5)), data_dir)
    try:
        splits = [_join(part) for part in _read_batches(source)]
    except _UNREADABLE as error:
        raise EdgenetError(
            f"{source} cannot be read as CIFAR-10 ({type(error).__name__}: {error}): remove it, or get it anew"
        ) from error
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)
    if shape[0] == 1:
        grey = np.array(_GREY, np.float32)
        splits = [(np.einsum("nchw,c->nhw", images, grey)[:, None].astype(np.uint8), y) for images, y in splits]
        mean, std = np.full(1, mean @ grey, np.float32), np.full(1, std @ grey, np.float32)
    preprocessing = describe_images(shape, "32x32", mean, std)
    train, test = (Split(images, targets, mean, std) for images, targets in splits)
    return DataSet("cifar10", IMAGES, train, test, list(CLASSES), preprocessing, mirrors=True)


def _read_batches(source: Path) -> list[list[Samples]]:
    """The batches of the training and of the test images."""
    folder = "cifar-10-batches-py" if "py" in source.name else "cifar-10-batches-bin"
    suffix, parse = ("", _parse_python) if "py" in source.name else (".bin", _parse_binary)
    if source.is_dir():
        return [[parse((source / f"{name}{suffix}").read_bytes()) for name in names] for names in (_TRAIN, _TEST)]
    with tarfile.open(source) as archive:
        return [[parse(_member(archive, f"{folder}/{name}{suffix}")) for name in names] for names in (_TRAIN, _TEST)]


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is no file")
    return file.read()


def _join(batches: list[Samples]) -> Samples:
    return np.concatenate([images for images, _ in batches]), np.concatenate([targets for _, targets in batches])


def _as_samples(pixels: NDArray[np.uint8], targets: NDArray[Any]) -> Samples:
    if len(targets) != len(pixels) or not len(targets) or not 0 <= targets.min() <= targets.max() < len(CLASSES):
        raise ValueError("the classes do not fit the images")
    return pixels.reshape(-1, 3, SIDE, SIDE), targets.astype(np.int64)


def _parse_binary(content: bytes) -> Samples:
    """Rows of one byte for the class and 3,072 for the pixels: red, green, blue, each row by row."""
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXELS)
    return _as_samples(rows[:, 1:], rows[:, 0])


def _parse_python(content: bytes) -> Samples:
    """A pickled dictionary with `data` [N, 3072] uint8 and `labels`."""
    batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    return _as_samples(batch[b"data"].pixels(), np.array(batch[b"labels"]))


class _Type:
    """Stands in for numpy's dtype: keeps the code, such as `u1`."""

    def __init__(self, code: bytes | str, *options: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        pass


class _Array:
    """Stands in for numpy's array: keeps what the pickle says of it."""

    def __init__(self, *options: Any) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def pixels(self) -> NDArray[np.uint8]:
        _, shape, kind, column_major, content = self.state
        if kind.code not in (b"u1", "u1") or column_major:
            raise ValueError("the pixels are not bytes, row by row")
        return np.frombuffer(content, np.uint8).reshape(shape)


class _Unpickler(pickle.Unpickler):
    """Makes the stand-ins and nothing else: what else a pickle names is refused before it is looked up."""

    def find_class(self, module: str, name: str) -> type:
        stand_ins = {"_reconstruct": _Array, "ndarray": _Array, "dtype": _Type}
        if module not in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray") or name not in stand_ins:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which data have no use for")
        return stand_ins[name]
