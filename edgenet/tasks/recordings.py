"""Folders of WAV files: which word is spoken (many-to-one), or is being spoken (a class a frame)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import LABELLING, SEQUENCES
from edgenet.tasks.features import AudioFeatures, read_wave
from edgenet.tasks.ragged import Ragged
from edgenet.tasks.sequences import SequenceDataSet, SequenceSplit, feature_statistics
from edgenet.tasks.splits import hold_out

# The naming of the Free Spoken Digit Dataset, whose test set is that of index 0 to 4.
SPOKEN_DIGITS = "{label}_{speaker}_{index}"
SPOKEN_DIGITS_TEST = range(5)
_FIELD = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True)
class Recording:
    """A file, what is said in it, by whom (empty where unknown), and its number (None where unknown)."""

    path: Path
    label: str
    speaker: str = ""
    index: int | None = None


def load_recordings(
    folder: Path, features: AudioFeatures | None = None, *, task: str = SEQUENCES, pattern: str | None = None,
    test_indices: Collection[int] | None = None, share: float = 0.2, seed: int = 0, joined: tuple[int, int] = (3, 8),
    joined_count: int = 2000,
) -> SequenceDataSet:  # fmt: skip
    """Recordings as features [T, F], normalised by mean and deviation of the training split.

    folder
        With `train/` and `test/`, or one to be split; with one folder a class, or with files named by `pattern`.
    pattern
        Of file names without suffix, with fields {label} and where known {speaker} and {index}, such as
        "{label}_{speaker}_{index}", which is also what is tried where there are no folders of classes.
    test_indices
        Recordings of these indices are the test set; by default 0 to 4 where every name has an index (the official
        split of spoken digits), else a `share` of each class, by `seed` and name.
    task
        "sequence-classification": a recording a sample. "sequence-labelling": `joined_count` samples (a tenth as many
        to test) of `joined` (fewest, most) recordings one behind the other, of one speaker; targets the class of each
        frame: that of the recording in which the frame's middle lies.

    Raises EdgenetError for a folder without recordings, a name that doesn't fit, one class only, a class that only the
    test has, a recording that can't be read or is sampled at another rate than the others.
    """
    features = features or AudioFeatures()
    train, test = _split(folder, pattern, test_indices, share, seed)
    classes = sorted({recording.label for recording in train})
    unknown = sorted({recording.label for recording in test} - set(classes))
    if unknown or len(classes) < 2:
        what = f"class {unknown[0]!r} is in the test only" if unknown else f"there is one class only, {classes[0]!r}"
        raise EdgenetError(f"{folder} cannot be learnt from, {what}: give each class recordings to train on")
    rate = read_wave(train[0].path)[1]
    sounds = {recording.path: _read(recording.path, rate) for recording in (*train, *test)}
    by_split = []
    for recordings, count, stream in ((train, joined_count, 0), (test, max(1, joined_count // 10), 1)):
        if task == LABELLING:
            groups = _draw(recordings, joined, count, np.random.default_rng([seed, stream]))
        else:
            groups = [[recording] for recording in recordings]
        by_split.append([_sample(group, sounds, classes, features, rate) for group in groups])
    mean, std = feature_statistics(Ragged.of([frames for frames, _ in by_split[0]]))
    splits = []
    for samples in by_split:
        frames, labels = Ragged.of([frames for frames, _ in samples]), Ragged.of([labels for _, labels in samples])
        targets = labels if task == LABELLING else np.array([one[0] for _, one in samples], np.int64)
        splits.append(SequenceSplit(frames, targets, mean=mean, std=std))
    preprocessing = {
        "layout": "TF",
        **features.as_dict(),
        "rate": rate,
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
    }
    names = (sorted(recording.path.relative_to(folder).as_posix() for recording in part) for part in (train, test))
    return SequenceDataSet(
        folder.resolve().name, task, splits[0], splits[1], classes=classes, preprocessing=preprocessing,
        files=dict(zip(("train", "test"), names, strict=True)),
    )  # fmt: skip


def _split(
    folder: Path, pattern: str | None, test_indices: Collection[int] | None, share: float, seed: int
) -> tuple[list[Recording], list[Recording]]:
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        return list_recordings(folder / "train", pattern), list_recordings(folder / "test", pattern)
    recordings = list_recordings(folder, pattern)
    indexed = all(recording.index is not None for recording in recordings)
    if test_indices is not None and not indexed:
        raise EdgenetError(f"recordings in {folder} have no {{index}} to tell test from training: give a pattern")
    if indexed:
        official = set(SPOKEN_DIGITS_TEST if test_indices is None else test_indices)
        held_out = np.array([recording.index in official for recording in recordings])
        if held_out.all() or not held_out.any():
            raise EdgenetError(f"indices {sorted(official)} hold out all or none of {folder}: give other test indices")
    else:
        keys = [recording.path.relative_to(folder).as_posix() for recording in recordings]
        held_out = hold_out(keys, [recording.label for recording in recordings], share=share, seed=seed)
    train = [recording for recording, out in zip(recordings, held_out, strict=True) if not out]
    return train, [recording for recording, out in zip(recordings, held_out, strict=True) if out]


def list_recordings(folder: Path, pattern: str | None = None) -> list[Recording]:
    """The recordings of a folder, by name. Raises EdgenetError where there are none, or a name does not fit."""
    if pattern is None:
        inside = {path.name: _waves(path) for path in sorted(folder.iterdir()) if path.is_dir()}
        recordings = [Recording(path, label) for label, paths in inside.items() for path in paths]
        if recordings:
            return recordings
        pattern = SPOKEN_DIGITS
    if "{label}" not in pattern:
        raise EdgenetError(f"pattern {pattern!r} has no {{label}}: write it like {SPOKEN_DIGITS!r}")
    expression = re.compile(_FIELD.sub(lambda field: f"(?P<{field[1]}>.+?)", re.escape(pattern)))
    recordings = []
    for path in _waves(folder):
        fields = expression.fullmatch(path.stem)
        if fields is None:
            raise EdgenetError(f"recording {path} is not named {pattern}.wav: rename it, or give a pattern that fits")
        known = fields.groupdict()
        index = known.get("index", "")
        recordings.append(
            Recording(path, known["label"], known.get("speaker", ""), int(index) if index.isdecimal() else None)
        )
    if not recordings:
        raise EdgenetError(f"no .wav files in {folder}: it needs one folder a class, or files named {pattern}.wav")
    return recordings


def _waves(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".wav" and path.name[0] != ".")


def _read(path: Path, rate: int) -> NDArray[np.float32]:
    sound, own_rate = read_wave(path)
    if own_rate != rate:
        raise EdgenetError(f"recording {path} has {own_rate} samples a second, others have {rate}: resample it")
    return sound


def _draw(
    recordings: Sequence[Recording], joined: tuple[int, int], count: int, random: np.random.Generator
) -> list[list[Recording]]:
    speakers = sorted({recording.speaker for recording in recordings})
    by_speaker = [[recording for recording in recordings if recording.speaker == speaker] for speaker in speakers]
    groups = []
    for _ in range(count):
        voices = by_speaker[random.integers(len(speakers))]
        chosen = random.integers(0, len(voices), random.integers(joined[0], joined[1] + 1))
        groups.append([voices[index] for index in chosen])
    return groups


def _sample(
    group: Sequence[Recording], sounds: dict[Path, NDArray[np.float32]], classes: list[str], features: AudioFeatures,
    rate: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:  # fmt: skip
    """Features [T, F] of recordings one behind the other, and the class of each frame [T]."""
    parts = [sounds[recording.path] for recording in group]
    frames = features.compute(np.concatenate(parts), rate)
    window, hop = features.frame_samples(rate)
    middles = np.arange(len(frames)) * hop + window // 2
    labels = np.full(len(frames), classes.index(group[-1].label), np.int64)
    ends = np.cumsum([0, *map(len, parts)])
    for recording, (start, end) in zip(group, pairwise(ends), strict=True):
        labels[(start <= middles) & (middles < end)] = classes.index(recording.label)
    return frames, labels
