"""Time series of several features: .ts files, one's own, or JapaneseVowels, which sktime and aeon ship."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import SEQUENCES
from edgenet.tasks.packages import find_in_packages
from edgenet.tasks.ragged import Ragged
from edgenet.tasks.sequences import SequenceDataSet, SequenceSplit, feature_statistics
from edgenet.tasks.tables import read_lines

PACKAGES = ("sktime", "aeon")
FOLDER = "datasets/data/JapaneseVowels"


def load_japanese_vowels() -> SequenceDataSet:
    """270 utterances of nine speakers to train on, 370 to test, features float32 [T, 12], the official split.

    M. Kudo, J. Toyama and M. Shimbo (1999), Multidimensional curve classification using passing-through regions,
    Pattern Recognition Letters 20. Raises EdgenetError where neither sktime nor aeon is installed.
    """
    return load_time_series(find_in_packages(PACKAGES, FOLDER), name="japanese-vowels")


def load_time_series(folder: Path, *, name: str | None = None) -> SequenceDataSet:
    """Series as features [T, F] and their classes, from NAME_TRAIN.ts and NAME_TEST.ts in a folder.

    Raises EdgenetError where the two are missing, can't be read, differ in their features, or where one class only is
    there to train on or another in the test.
    """
    paths = {part: find_ts(folder, part) for part in ("train", "test")}
    (train, train_labels), (test, test_labels) = (read_ts(path) for path in paths.values())
    classes = sorted(set(train_labels))
    unknown = sorted(set(test_labels) - set(classes))
    if unknown or len(classes) < 2:
        what = f"class {unknown[0]!r} is in the test only" if unknown else f"there is one class only, {classes[0]!r}"
        raise EdgenetError(f"{folder} cannot be learnt from, {what}: give each class series to train on")
    if train.values.shape[1] != test.values.shape[1]:
        sizes = f"{train.values.shape[1]} features and {paths['test']} {test.values.shape[1]}"
        raise EdgenetError(f"{paths['train']} has {sizes}: make them equal")
    mean, std = feature_statistics(train)
    splits = [
        SequenceSplit(series, np.array([classes.index(label) for label in labels], np.int64), mean=mean, std=std)
        for series, labels in ((train, train_labels), (test, test_labels))
    ]
    preprocessing = {
        "layout": "TF",
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
    }
    return SequenceDataSet(
        name or folder.resolve().name, SEQUENCES, splits[0], splits[1], classes=classes, preprocessing=preprocessing
    )


def has_time_series(folder: Path) -> bool:
    """Whether a folder has a file NAME_TRAIN.ts."""
    return any(folder.glob("*_[tT][rR][aA][iI][nN].ts"))


def find_ts(folder: Path, part: str) -> Path:
    """The file NAME_TRAIN.ts or NAME_TEST.ts of a folder: of several, the one named as the folder.

    Raises EdgenetError where there is none, or which is open.
    """
    named = folder / f"{folder.resolve().name}_{part.upper()}.ts"
    if named.is_file():
        return named
    found = [path for path in sorted(folder.glob("*.ts")) if path.stem.lower().endswith(f"_{part}")]
    if len(found) != 1:
        raise EdgenetError(f"folder {folder} needs one file NAME_{part.upper()}.ts, it has {len(found)}")
    return found[0]


def read_ts(path: Path) -> tuple[Ragged, list[str]]:
    """Series [T, F] and their classes from a .ts file (timeseriesclassification.com), without missing values.

    After @data a line a sample: its F features parted by colons, the T values of each by commas, last the class.
    Raises EdgenetError, with the line, for a file that is something else.
    """
    series: list[NDArray[np.float32]] = []
    labels: list[str] = []
    begun = False
    for number, line in enumerate(read_lines(path), 1):
        if begun and line.strip():
            *features, label = line.split(":")
            try:
                sample = np.array([feature.split(",") for feature in features], np.float32).T
            except ValueError as error:
                raise EdgenetError(f"{path}, line {number} is no time series ({error}): get the file anew") from error
            if sample.ndim != 2 or (series and sample.shape[1] != series[0].shape[1]):
                raise EdgenetError(f"{path}, line {number} has not as many features as the others: get the file anew")
            series.append(sample)
            labels.append(label.strip())
        begun = begun or line.strip().lower() == "@data"
    if not series:
        raise EdgenetError(f"{path} has no time series behind @data: get the file anew")
    return Ragged.of(series), labels
