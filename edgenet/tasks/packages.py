"""Data files inside installed packages, found without importing the package."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from edgenet.errors import EdgenetError


def find_in_packages(packages: Sequence[str], name: str) -> Path:
    """The path of a file or folder in the first of some packages that is installed and has it.

    The file is read as it lies there: importing a package such as sktime takes seconds and brings what a data file
    has no use for. Raises EdgenetError where none has it.
    """
    for package in packages:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            if (Path(place) / name).exists():
                return Path(place) / name
    raise EdgenetError(
        f"{name} comes with {' or '.join(packages)}, not installed here: pip install '.[data]' in a clone of edgenet"
    )
