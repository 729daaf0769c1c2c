"""ONNX Runtime for the browser: three files of its npm package, kept in the cache."""

import shutil
import subprocess
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path

from edgenet.errors import EdgenetError
from edgenet.files import cache_folder, write_whole

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
FILES = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""SHA-256 of each."""
_INSIDE = ("", "dist", f"node_modules/{PACKAGE}/dist")


def find_runtime(folder: Path | None = None) -> Path:
    """The folder with the files: a given one, else the cache, into which npm downloads them once (33 MB).

    Args:
        folder: one that has them, of any version; the package's own, or one in which it was installed, will do.

    Raises:
        EdgenetError: they are not there, and cannot be had.
    """
    if folder is not None:
        for inside in _INSIDE:
            if all((folder / inside / name).is_file() for name in FILES):
                return folder / inside
        raise EdgenetError(f"{folder} lacks {', '.join(FILES)}; name the folder dist of the npm package {PACKAGE}.")
    kept = cache_folder() / f"{PACKAGE}-{VERSION}"
    if not all((kept / name).is_file() for name in FILES):
        _download(kept)
    return kept


def _download(target: Path) -> None:
    npm = shutil.which("npm")
    way = f"or get the npm package {PACKAGE} {VERSION} elsewhere and name its folder with --runtime"
    if npm is None:
        raise EdgenetError(
            f"{PACKAGE} is not here, nor npm to get it: install npm (Debian: apt-get install npm), {way}."
        )
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
        done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            reason = lines[-1].strip() if lines else f"npm ended with {done.returncode}"
            raise EdgenetError(f"npm cannot download {PACKAGE} ({reason}): connect and try again, {way}.")
        (archive,) = Path(folder).glob("*.tgz")
        contents = _extract(archive)
    damaged = [name for name, content in contents.items() if sha256(content).hexdigest() != FILES[name]]
    if damaged:
        raise EdgenetError(f"{damaged[0]} of {PACKAGE} arrived damaged, its SHA-256 is another: try again, {way}.")
    target.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_whole(target / name, content)


def _extract(archive: Path) -> dict[str, bytes]:
    contents = {}
    with tarfile.open(archive) as files:
        for name in FILES:
            file = files.extractfile(f"package/dist/{name}")
            contents[name] = b"" if file is None else file.read()
    return contents
