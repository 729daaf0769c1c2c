"""Data sets and what goes with them, as numpy arrays. Free of torch; `list_data` needs no numpy either."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgenet.tasks.catalog import DataEntry, list_data, list_own_data

if TYPE_CHECKING:
    from edgenet.tasks.dataset import DataSet, Split, load
    from edgenet.tasks.digits import load_digits
    from edgenet.tasks.folders import load_folder
    from edgenet.tasks.loading import load_sequences
    from edgenet.tasks.ragged import Ragged
    from edgenet.tasks.sequences import Batch, SequenceDataSet, SequenceSplit
    from edgenet.tasks.vocabulary import Vocabulary

_HOME = {
    "DataSet": "dataset",
    "Split": "dataset",
    "load": "dataset",
    "load_digits": "digits",
    "load_folder": "folders",
    "load_sequences": "loading",
    "Ragged": "ragged",
    "Batch": "sequences",
    "SequenceDataSet": "sequences",
    "SequenceSplit": "sequences",
    "Vocabulary": "vocabulary",
}

__all__ = [
    "Batch",
    "DataEntry",
    "DataSet",
    "Ragged",
    "SequenceDataSet",
    "SequenceSplit",
    "Split",
    "Vocabulary",
    "list_data",
    "list_own_data",
    "load",
    "load_digits",
    "load_folder",
    "load_sequences",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'edgenet.tasks' has no attribute {name!r}")
    return getattr(import_module(f"edgenet.tasks.{_HOME[name]}"), name)
