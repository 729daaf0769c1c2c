"""Small archives in the layouts of the public ones."""

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np

PARTS = {"train": 20, "t10k": 10}


def idx_bytes(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def grey_images(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 28, 28] and classes [N] of a part."""
    count = PARTS[part]
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, 28, 28), np.uint8), (np.arange(count) % 10).astype(np.uint8)


def write_idx(folder: Path, packed: bool = True, dotted: bool = False) -> Path:
    """The four files of MNIST, gzipped or plain, as in train-images-idx3-ubyte or train-images.idx3-ubyte."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        for kind, values in zip(("images", "labels"), grey_images(part), strict=True):
            name = f"{part}-{kind}{'.' if dotted else '-'}idx{values.ndim}-ubyte"
            content = idx_bytes(values)
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return folder


def colour_images(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [4, 3, 32, 32] and classes [4] of a batch."""
    random = np.random.default_rng(sum(name.encode()))
    return random.integers(0, 256, (4, 3, 32, 32), np.uint8), random.integers(0, 10, 4)


BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def binary_batch(name: str) -> bytes:
    images, classes = colour_images(name)
    return np.concatenate([classes[:, None].astype(np.uint8), images.reshape(4, -1)], axis=1).tobytes()


def python_batch(name: str) -> bytes:
    images, classes = colour_images(name)
    # Python 3 writes bytes at protocol 2 through a codec, which the public files, written by Python 2, don't name.
    return pickle.dumps({b"data": images.reshape(4, -1), b"labels": classes.tolist()}, protocol=4)


def cifar_files(layout: str) -> dict[str, bytes]:
    """Paths and contents of the archive's files; layout "binary" or "python"."""
    if layout == "binary":
        return {f"cifar-10-batches-bin/{name}.bin": binary_batch(name) for name in BATCHES}
    return {f"cifar-10-batches-py/{name}": python_batch(name) for name in BATCHES}


def write_cifar(folder: Path, layout: str, packed: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if packed:
        with tarfile.open(folder / f"cifar-10-{layout}.tar.gz", "w:gz") as archive:
            for name, content in cifar_files(layout).items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return folder
    for name, content in cifar_files(layout).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
