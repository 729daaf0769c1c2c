"""Files that are there whole or not at all, and the folder for those that can be made again."""

import os
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """Return edgenet's folder for files that can be made or fetched again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgenet"


def write_whole(path: str | Path, content: str | bytes | Callable[[Path], None]) -> None:
    """Write a temporary file in the same folder, then put it in place in one step.

    Whatever interrupts this leaves the file that was there. A link is followed; what is no file, such as
    /dev/stdout, is written straight away. Permissions are those of any new file.

    Args:
        path: the file, in a folder that is there.
        content: text (written as UTF-8), bytes, or what fills the file whose path it is given.

    Raises:
        OSError: it cannot be written; the error names `path`.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        _fill(path, content)
        return
    target = Path(os.path.realpath(path))
    # No suffix of the target's: a file left behind by a crash must not be taken for a whole one.
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        # Made by open, not by tempfile, so that the umask decides who may read it.
        with temporary.open("xb") as stream:
            mode = os.fstat(stream.fileno()).st_mode & 0o777
        _fill(temporary, content)
        temporary.chmod(mode)
        os.replace(temporary, target)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _fill(path: Path, content: str | bytes | Callable[[Path], None]) -> None:
    if callable(content):
        content(path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
