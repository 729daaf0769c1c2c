"""load_sequences(): sequences of unequal lengths, by name or from the user's own files."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from edgenet.errors import EdgenetError
from edgenet.tasks.captions import load_captions, load_digit_words
from edgenet.tasks.catalog import (
    CAPTIONING,
    IMAGES,
    LABELLING,
    LANGUAGE,
    SEQUENCES,
    STRINGS,
    TASKS,
    TRANSDUCTION,
    list_data,
)
from edgenet.tasks.digit_strings import load_digit_strings
from edgenet.tasks.folders import SUFFIXES as IMAGE_SUFFIXES
from edgenet.tasks.labelled_text import load_labelled_text
from edgenet.tasks.parallel_text import find_languages, load_parallel_text, load_text
from edgenet.tasks.pronunciations import load_cmudict
from edgenet.tasks.recordings import load_recordings
from edgenet.tasks.sequences import SequenceDataSet
from edgenet.tasks.tables import SUFFIXES as TABLE_SUFFIXES
from edgenet.tasks.tables import list_tables, read_lines, read_rows
from edgenet.tasks.tagged_text import SUFFIXES as TAGGED_SUFFIXES
from edgenet.tasks.tagged_text import find_tagged_text, load_tagged_text
from edgenet.tasks.time_series import has_time_series, load_japanese_vowels, load_time_series

_BUILT_IN: dict[str, Callable[..., SequenceDataSet]] = {
    "japanese-vowels": load_japanese_vowels,
    "cmudict": load_cmudict,
    "digit-words": load_digit_words,
    "digit-strings": load_digit_strings,
}


def load_sequences(data: str | Path, task: str | None = None, **options: Any) -> SequenceDataSet:
    """Load sequences of unequal lengths: a built-in set by name, or the user's files.

    data
        "japanese-vowels", "cmudict", "digit-words" or "digit-strings"; or a file or folder:

        - a table `label<TAB>text` (.tsv, .txt, .csv): sequence-classification, see `load_labelled_text`
        - tokens with labels `token<TAB>label`, an empty line between sentences (.conll): sequence-labelling, see
          `load_tagged_text`
        - a folder of .wav: sequence-classification or sequence-labelling, see `load_recordings`
        - a folder with NAME_TRAIN.ts and NAME_TEST.ts: sequence-classification, see `load_time_series`
        - a folder with train.SOURCE and train.TARGET: sequence-to-sequence, see `load_parallel_text`
        - a text, or a folder with train.LANGUAGE: language-modelling, see `load_text`
        - a table `image<TAB>caption`: image-captioning, see `load_captions`
    task
        One of `edgenet.tasks.catalog.TASKS`; None takes a built-in set's own, and of files what they look like (see
        `guess_task`).
    options
        Of the function named above.

    Raises EdgenetError for a name that is not known, files that don't serve the task, and options that don't fit.
    """
    if task is not None and task not in TASKS:
        raise EdgenetError(f"unknown task {task!r}: use one of {', '.join(TASKS)}")
    name, path = str(data), Path(data)
    if name in _BUILT_IN:
        own = next(entry.tasks[0] for entry in list_data() if entry.name == name)
        if task not in (None, own):
            raise EdgenetError(f"{name} is for {own}, the network is for {task}")
        return _call(_BUILT_IN[name], name, **options)
    if not path.exists():
        known = ", ".join(_BUILT_IN)
        if any(entry.name == name for entry in list_data()):
            raise EdgenetError(
                f"samples of {name} are of one size: edgenet.tasks.load reads them, networks over sequences of "
                f"unequal lengths do not; for those use one of {known}, or your own"
            )
        raise EdgenetError(
            f"no data set named {name!r} and no file there: use one of {known}, or your own; edgenet data lists all"
        )
    wanted = task or guess_task(path)
    if wanted == CAPTIONING:
        return _call(load_captions, name, path, **options)
    if wanted == LANGUAGE:
        return _call(load_text, name, path, **options)
    if wanted == TRANSDUCTION:
        return _load_parallel(path, **options)
    if wanted in (SEQUENCES, LABELLING) and path.is_dir() and _has_recordings(path):
        return _call(load_recordings, name, path, task=wanted, **options)
    if wanted == SEQUENCES and path.is_dir() and has_time_series(path):
        return _call(load_time_series, name, path, **options)
    if wanted == LABELLING:
        return _call(load_tagged_text, name, path, **options)
    if wanted == SEQUENCES:
        return _call(load_labelled_text, name, path, **options)
    ways = {IMAGES: "edgenet.tasks.load reads images by class", STRINGS: "use 'digit-strings'"}
    raise EdgenetError(f"{name} cannot serve {wanted}: {ways[wanted]}")


def _call(function: Callable[..., SequenceDataSet], name: str, *arguments: Any, **options: Any) -> SequenceDataSet:
    try:
        signature(function).bind(*arguments, **options)
    except TypeError as error:
        raise EdgenetError(f"{name} cannot be loaded with options {sorted(options)}: {error}") from error
    return function(*arguments, **options)


def _load_parallel(path: Path, **options: Any) -> SequenceDataSet:
    languages = find_languages(path) if path.is_dir() else []
    if "languages" not in options:
        pair = languages[:2] if len(languages) > 1 else ["en", "de"]
        raise EdgenetError(
            f"which way to translate {path} is open, it has {', '.join(languages) or 'no train.*'}: "
            f"give languages, such as ({pair[0]!r}, {pair[1]!r}), on the command line --languages {pair[0]}-{pair[1]}"
        )
    return _call(load_parallel_text, str(path), path, **options)


def _has_recordings(path: Path) -> bool:
    return next(path.rglob("*.[wW][aA][vV]"), None) is not None


def guess_task(data: str | Path) -> str:
    """What a built-in set is for first, or what files look like they are for."""
    for entry in list_data():
        if entry.name == str(data):
            return entry.tasks[0]
    path = Path(data)
    if path.is_dir():
        if _has_recordings(path) or has_time_series(path):
            return SEQUENCES
        if any(file.suffix.lower() in TAGGED_SUFFIXES for file in find_tagged_text(path).values()):
            return LABELLING
        languages = [suffix for suffix in find_languages(path) if f".{suffix}" not in TABLE_SUFFIXES]
        if languages:
            return TRANSDUCTION if len(languages) > 1 else LANGUAGE
        tables = list_tables(path)
        return _guess_table(tables[0]) if tables else IMAGES
    return _guess_table(path) if path.is_file() else SEQUENCES


def _guess_table(path: Path) -> str:
    if path.suffix.lower() in TAGGED_SUFFIXES:
        return LABELLING
    if path.suffix.lower() != ".csv" and "\t" not in read_lines(path)[0]:
        return LANGUAGE
    cells = read_rows(path)[0]
    shows_images = Path(cells[0]).suffix.lower() in IMAGE_SUFFIXES or "caption" in map(str.lower, cells)
    return CAPTIONING if shows_images else SEQUENCES
