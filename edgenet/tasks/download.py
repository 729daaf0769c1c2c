"""Files of public data sets: the user's own copies where they are there, else fetched once, with a checksum."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgenet.errors import EdgenetError
from edgenet.files import cache_folder

ENVIRONMENT_VARIABLE = "EDGENET_DATA"


@dataclass(frozen=True)
class Archive:
    """Files of one data set: `home` is the address before a file's name, `md5` has the checksum of each file.

    `folders` are those within a data folder in which people keep them, besides the folder itself.
    """

    name: str
    home: str
    md5: Mapping[str, str]
    folders: Sequence[str] = ()


def find_local(archive: Archive, names: Sequence[str], data_dir: str | Path | None = None) -> Path | None:
    """The first of some files or folders that lies in the data folder, or in one of the archive's folders there.

    data_dir
        By default what EDGENET_DATA names; without either there is no data folder.

    Raises EdgenetError where the data folder is no folder.
    """
    given = data_dir or os.environ.get(ENVIRONMENT_VARIABLE)
    if not given:
        return None
    root = Path(given)
    if not root.is_dir():
        raise EdgenetError(f"data folder {root} is not there: make it, or name another (--data-dir, EDGENET_DATA)")
    places = [root, *(root / folder for folder in (archive.name, *archive.folders))]
    found = [place / name for place in places for name in names if (place / name).exists()]
    return found[0] if found else None


def fetch(archive: Archive, name: str, data_dir: str | Path | None = None) -> Path:
    """Download a file of an archive, unless the same lies there from before; its MD5 is checked each time.

    It is put into the data folder, under the archive's name, or into edgenet's cache where none is given. Raises
    EdgenetError where there is no connection or no such file, where the file arrives damaged, where it can't be
    written, or where pooch is not installed.
    """
    try:
        import pooch
        from requests import RequestException
    except ImportError as error:
        raise EdgenetError(
            f"{archive.name} is downloaded by pooch, which is missing: {_help(archive, True)}"
        ) from error
    given = data_dir or os.environ.get(ENVIRONMENT_VARIABLE)
    folder = (Path(given) if given else cache_folder() / "data") / archive.name
    address = archive.home + name
    bar = sys.stderr.isatty() and find_spec("tqdm") is not None
    try:
        downloader = pooch.HTTPDownloader(progressbar=bar, timeout=60)
        return Path(pooch.retrieve(address, f"md5:{archive.md5[name]}", name, folder, downloader=downloader))
    except RequestException as error:
        if error.response is not None:
            error.response.close()  # pooch leaves the connection of a refused request open
        raise EdgenetError(
            f"{address} of {archive.name} cannot be downloaded ({type(error).__name__}): {_help(archive)}"
        ) from error
    except OSError as error:
        raise EdgenetError(f"{archive.name} cannot be put into {folder}: {error.strerror or error}") from error
    except ValueError as error:
        raise EdgenetError(
            f"{address} of {archive.name} arrived damaged, its MD5 is not the published one: {_help(archive)}"
        ) from error


def _help(archive: Archive, packages: bool = False) -> str:
    way = "pip install '.[data]' in a clone of edgenet" if packages else "try again"
    return f"{way}, or put {', '.join(archive.md5)} into a folder and name it (--data-dir, EDGENET_DATA)"
