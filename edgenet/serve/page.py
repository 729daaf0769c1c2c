"""Where the page lies: in a clone under export/apps, in a wheel beside this package's modules."""

import sys
from pathlib import Path

from edgenet.errors import EdgenetError


def page_folder() -> Path:
    """The folder with index.html and what belongs to it.

    Raises:
        EdgenetError: this installation lacks it.
    """
    here = Path(__file__).resolve()
    # An editable installation keeps what CMake installs apart from its Python files.
    installed = [here.parent / "web", *(Path(entry) / "edgenet" / "serve" / "web" for entry in sys.path)]
    for folder in (here.parents[2] / "export" / "apps" / "web", *installed):
        if (folder / "index.html").is_file():
            return folder
    raise EdgenetError(
        "the page that edgenet serve shows is missing; install edgenet again (pip install --force-reinstall . in a "
        "clone of it)"
    )
