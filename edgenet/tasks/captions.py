"""Images and their captions: a table of `image<TAB>caption`, or one of digits and their names."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import CAPTIONING
from edgenet.tasks.dataset import describe_images
from edgenet.tasks.digits import MEAN, STD, held_out_digits, read_digits
from edgenet.tasks.folders import IMAGENET_MEAN, IMAGENET_STD, read_images
from edgenet.tasks.sequences import SequenceDataSet, SequenceSplit, encode_all
from edgenet.tasks.splits import hold_out
from edgenet.tasks.tables import find_tables, pick_columns, read_columns
from edgenet.tasks.vocabulary import Vocabulary

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_IMAGE_NAMES = ("image", "file", "filename", "path")
_CAPTION_NAMES = ("caption", "text", "description")
_Captions = dict[Path, list[str]]


def load_captions(
    path: Path, input_shape: tuple[int, ...] = (3, 64, 64), *, unit: str = "word", minimum_count: int = 1,
    maximum_size: int | None = None, share: float = 0.2, seed: int = 0,
) -> SequenceDataSet:  # fmt: skip
    """Images [C, H, W] and captions as begin, ids, end.

    path
        A .tsv or .csv table of image and caption, split by `share`, `seed` and the image's name; or a folder with
        `train.tsv` and `test.tsv`. Images are named as seen from the table's folder. An image may stand in several
        rows: to train, each caption is a sample; else the image is one, with its first caption as target and all of
        them as references.

    Raises EdgenetError for a table or an image that can't be read.
    """
    if len(input_shape) != 3 or input_shape[0] not in (1, 3):
        raise EdgenetError(f"images have 1 or 3 channels, height and width; the network wants {tuple(input_shape)}")
    by_split = {name: _by_image(table) for name, table in find_tables(path).items()}
    if "all" in by_split:
        captions = by_split.pop("all")
        images = list(captions)
        held_out = hold_out([image.as_posix() for image in _relative(images, path)], share=share, seed=seed)
        for name, wanted in (("train", False), ("test", True)):
            chosen = [image for image, out in zip(images, held_out, strict=True) if out == wanted]
            by_split[name] = {image: captions[image] for image in chosen}
    vocabulary = Vocabulary.build(
        (text for texts in by_split["train"].values() for text in texts), unit, minimum_count=minimum_count,
        maximum_size=maximum_size,
    )  # fmt: skip
    colour = input_shape[0] == 3
    mean = np.array(IMAGENET_MEAN if colour else [np.mean(IMAGENET_MEAN)], np.float32)
    std = np.array(IMAGENET_STD if colour else [np.mean(IMAGENET_STD)], np.float32)
    splits = {}
    for name, captions in by_split.items():
        pixels = read_images(list(captions), input_shape)
        counts = [len(texts) if name == "train" else 1 for texts in captions.values()]
        kept = [texts if name == "train" else texts[:1] for texts in captions.values()]
        splits[name] = SequenceSplit(
            pixels if name != "train" else np.repeat(pixels, counts, axis=0),
            encode_all(vocabulary, [text for texts in kept for text in texts], marks=True),
            tuple(tuple(texts) for texts, count in zip(captions.values(), counts, strict=True) for _ in range(count)),
            mean,
            std,
        )
    files = {name: [image.as_posix() for image in _relative(list(part), path)] for name, part in by_split.items()}
    preprocessing = describe_images(input_shape, "shorter side, then crop in the middle", mean, std)
    return SequenceDataSet(
        path.resolve().stem, CAPTIONING, splits["train"], splits["test"], splits.get("validation"),
        target_vocabulary=vocabulary, preprocessing=preprocessing, files=files,
    )  # fmt: skip


def load_digit_words(input_shape: tuple[int, ...] = (1, 28, 28)) -> SequenceDataSet:
    """The images of `load_digits`, [1, 28, 28], and the English words of the digits, letter by letter.

    Raises EdgenetError for another shape.
    """
    if tuple(input_shape) != (1, 28, 28):
        raise EdgenetError(f"digit-words are images of shape (1, 28, 28), the network wants {tuple(input_shape)}")
    images, digits = read_digits()
    held_out = held_out_digits(digits)
    vocabulary = Vocabulary.build(DIGIT_WORDS, "character")
    preprocessing = {
        "layout": "CHW", "shape": [1, 28, 28], "resize": "28x28", "scale": 1 / 255, "mean": [MEAN], "std": [STD],
    }  # fmt: skip
    train, test = (_spell(images[part], digits[part], vocabulary) for part in (~held_out, held_out))
    return SequenceDataSet(
        "digit-words", CAPTIONING, train, test, target_vocabulary=vocabulary, preprocessing=preprocessing
    )


def _spell(images: NDArray[np.uint8], digits: NDArray[np.int64], vocabulary: Vocabulary) -> SequenceSplit:
    words = [DIGIT_WORDS[digit] for digit in digits]
    mean, std = np.array([MEAN], np.float32), np.array([STD], np.float32)
    references = tuple((word,) for word in words)
    return SequenceSplit(images[:, None], encode_all(vocabulary, words, marks=True), references, mean, std)


def _by_image(table: Path) -> _Captions:
    columns = read_columns(table, None, (_IMAGE_NAMES, _CAPTION_NAMES)) or (0, 1)
    captions: _Captions = {}
    for name, caption in pick_columns(table, columns):
        captions.setdefault(table.parent / name.strip(), []).append(caption.strip())
    return captions


def _relative(images: list[Path], path: Path) -> list[Path]:
    folder = path if path.is_dir() else path.parent
    return [image.relative_to(folder) for image in images]
