"""The user's own images: a folder a class."""

from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.dataset import IMAGES, DataSet, Split, describe_images

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Of the ImageNet training images, by colour: what pretrained networks were trained with.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TEST_SHARE = 0.2


def load_folder(folder: Path, input_shape: tuple[int, ...] = (3, 64, 64)) -> DataSet:
    """Images in one folder a class, under `train/` and `test/` where these are, else split here.

    The split is stratified and depends on file names only: a fifth of each class, at least one image, is held out;
    `files` of the result says which went where. Images are scaled to `input_shape` (channels 1 or 3, height, width) by
    their shorter side and cropped in the middle. Raises EdgenetError where there are no images, fewer than two
    classes, a class that only the test has, or an image that can't be read; it names the file or folder.
    """
    if len(input_shape) != 3 or input_shape[0] not in (1, 3):
        raise EdgenetError(f"images have 1 or 3 channels, height and width; the network wants {tuple(input_shape)}")
    train_folder, test_folder = folder / "train", folder / "test"
    if train_folder.is_dir() and test_folder.is_dir():
        train, test = _list_classes(train_folder), _list_classes(test_folder, at_least=1)
        unknown = sorted(test.keys() - train.keys())
        if unknown:
            raise EdgenetError(f"class {unknown[0]!r} is in {test_folder} but not in {train_folder}")
    else:
        train, test = _split(_list_classes(train_folder if train_folder.is_dir() else folder))
    classes = sorted(train)
    colour = input_shape[0] == 3
    mean = np.array(IMAGENET_MEAN if colour else [np.mean(IMAGENET_MEAN)], np.float32)
    std = np.array(IMAGENET_STD if colour else [np.mean(IMAGENET_STD)], np.float32)
    preprocessing = describe_images(input_shape, "shorter side, then crop in the middle", mean, std)
    splits, files = {}, {}
    for name, by_class in (("train", train), ("test", test)):
        paths = [path for label in classes for path in by_class.get(label, [])]
        targets = [index for index, label in enumerate(classes) for _ in by_class.get(label, [])]
        splits[name] = Split(read_images(paths, input_shape), np.array(targets, np.int64), mean, std)
        files[name] = [path.relative_to(folder).as_posix() for path in paths]
    return DataSet(folder.resolve().name, IMAGES, splits["train"], splits["test"], classes, preprocessing, files)


def _list_classes(folder: Path, at_least: int = 2) -> dict[str, list[Path]]:
    classes = {}
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        images = sorted(
            path
            for path in class_folder.rglob("*")
            if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
        )
        if not images:
            raise EdgenetError(f"folder {class_folder} of a class holds no images ({', '.join(SUFFIXES)})")
        classes[class_folder.name] = images
    if not classes:
        raise EdgenetError(f"no images in {folder}: it needs one folder a class with images in it")
    if len(classes) < at_least:
        raise EdgenetError(f"only one class, {next(iter(classes))!r}, in {folder}: telling apart needs two or more")
    return classes


def _split(classes: dict[str, list[Path]]) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    train, test = {}, {}
    for label, paths in classes.items():
        if len(paths) < 2:
            raise EdgenetError(f"class {label!r} has one image only, {paths[0]}: a test needs another")
        # Neighbours in name are often neighbours in time; a hash of the name spreads them, the same way each run.
        spread = sorted(paths, key=lambda path: sha256(f"{path.parent.name}/{path.name}".encode()).digest())
        held_out = max(1, round(len(paths) * TEST_SHARE))
        test[label], train[label] = sorted(spread[:held_out]), sorted(spread[held_out:])
    return train, test


def read_images(paths: list[Path], input_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images [N, C, H, W], scaled by their shorter side and cropped. Raises EdgenetError for one that can't be read."""
    from PIL import Image, ImageOps

    channels, height, width = input_shape
    raw = np.empty((len(paths), *input_shape), np.uint8)
    for index, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise EdgenetError(f"image {path} cannot be read ({error}): repair or remove it") from error
        pixels = np.asarray(ImageOps.fit(upright, (width, height), Image.Resampling.BILINEAR))
        raw[index] = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    return raw
