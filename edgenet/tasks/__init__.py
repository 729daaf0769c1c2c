"""Data sets and what goes with them, as numpy arrays. Free of torch."""

from edgenet.tasks.dataset import DataSet, Split, load
from edgenet.tasks.digits import load_digits
from edgenet.tasks.folders import load_folder

__all__ = ["DataSet", "Split", "load", "load_digits", "load_folder"]
