"""JapaneseVowels: who speaks, from 7 to 29 frames of 12 cepstral coefficients; shipped by sktime and by aeon."""

from pathlib import Path

import numpy as np

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
    folder = find_in_packages(PACKAGES, FOLDER)
    parts = {part: read_ts(folder / f"JapaneseVowels_{part.upper()}.ts") for part in ("train", "test")}
    classes = sorted(set(parts["train"][1]))
    mean, std = feature_statistics(parts["train"][0])
    train, test = (
        SequenceSplit(series, np.array([classes.index(label) for label in labels], np.int64), mean=mean, std=std)
        for series, labels in parts.values()
    )
    preprocessing = {
        "layout": "TF",
        "features": "12 LPC cepstral coefficients",
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
    }
    return SequenceDataSet("japanese-vowels", SEQUENCES, train, test, classes=classes, preprocessing=preprocessing)


def read_ts(path: Path) -> tuple[Ragged, list[str]]:
    """Series [T, F] and their classes from a .ts file (timeseriesclassification.com), without missing values.

    After @data a line a sample: its F features parted by colons, the T values of each by commas, last the class.
    Raises EdgenetError, with the line, for a file that is something else.
    """
    series, labels, begun = [], [], False
    for number, line in enumerate(read_lines(path), 1):
        if begun and line.strip():
            *features, label = line.split(":")
            try:
                series.append(np.array([feature.split(",") for feature in features], np.float32).T)
            except ValueError as error:
                raise EdgenetError(f"{path}, line {number} is no time series ({error}): get the file anew") from error
            labels.append(label.strip())
        begun = begun or line.strip().lower() == "@data"
    if not series or series[0].ndim != 2:
        raise EdgenetError(f"{path} has no time series behind @data: get the file anew")
    return Ragged.of(series), labels
