"""From what a user names, run folders and .onnx files, to the rows that are measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgenet.errors import EdgenetError
from edgenet.runtime.inspection import Inspection, inspect

SCHEMES = ("full", "bwn", "xnor")
SAMPLES = "samples.npz"


@dataclass(frozen=True)
class Target:
    """One row to measure: a file and the path it is to take."""

    file: Path
    native: bool | None
    """True for native kernels, False for the file's own functions, None where it has no `edgenet` nodes."""
    group: str
    """Rows of one group are compared with its row of scheme `full`."""
    model: str
    scheme: str | None
    inspection: Inspection
    samples: Path | None

    def metadata(self, key: str) -> str | None:
        """Return what the exporter recorded under `edgenet.<key>`."""
        return self.inspection.metadata.get(f"edgenet.{key}")

    @property
    def label(self) -> str:
        path = {None: "", True: " native", False: " portable"}[self.native]
        return f"{self.model} {self.scheme or self.file.name}{path}"


def collect(
    paths: Sequence[str | Path], *, native: bool, shapes: Mapping[str, Sequence[int]] | None = None
) -> list[Target]:
    """Return the rows of run folders and .onnx files, in the order full, bwn, xnor, native before portable.

    Args:
        paths: run folders (every .onnx in it) or .onnx files; files named beside each other are compared.
        native: whether native kernels can be had.
        shapes: input shapes by name, the empty name for the first input, where the file is not to decide.

    Raises:
        EdgenetError: a path is missing, a folder holds no .onnx file, a file is no ONNX model.
    """
    targets: list[Target] = []
    for path in map(Path, paths):
        if path.is_dir():
            files = sorted(path.glob("*.onnx"))
            if not files:
                raise EdgenetError(
                    f"{path} holds no .onnx file; name a folder that edgenet binarize has written, or a file."
                )
        elif path.is_file():
            files = [path]
        else:
            raise EdgenetError(f"{path} does not exist; name a run folder or an .onnx file.")
        for file in files:
            group = str(path) if path.is_dir() else "files"
            targets.extend(_rows(file, group, native, shapes))
    return sorted(targets, key=lambda target: _order(target, targets))


def newest_run(runs: Path = Path("runs")) -> Path | None:
    """Return the folder under `runs` whose .onnx files are newest, None if there is none."""
    files = sorted(runs.glob("*/*.onnx"), key=lambda file: file.stat().st_mtime)
    return files[-1].parent if files else None


def reference(target: Target, targets: Sequence[Target]) -> int | None:
    """Return the index of the row that a row is compared with: the one of scheme `full` in its group.

    Where files of several networks were named together, it is the one of the same network. None where there is no
    such row, or more than one.
    """
    full = [i for i, other in enumerate(targets) if other.group == target.group and other.scheme == "full"]
    if len(full) > 1:
        full = [i for i in full if targets[i].model == target.model]
    return full[0] if len(full) == 1 else None


def _rows(file: Path, group: str, native: bool, shapes: Mapping[str, Sequence[int]] | None) -> list[Target]:
    inspection = inspect(file, shapes)
    metadata = inspection.metadata
    binary = any(layer.binary for layer in inspection.layers)
    common: dict[str, Any] = {
        "file": file,
        "group": group,
        "model": metadata.get("edgenet.model") or (file.stem if group == "files" else file.parent.name),
        "scheme": metadata.get("edgenet.scheme") or _guess_scheme(inspection),
        "inspection": inspection,
        "samples": file.with_name(SAMPLES) if file.with_name(SAMPLES).is_file() else None,
    }
    paths = [None] if not binary else [True, False] if native else [False]
    return [Target(native=path, **common) for path in paths]


def _guess_scheme(inspection: Inspection) -> str | None:
    """A file of others is full precision if all its weights and activations are floats; else no scheme of ours."""
    return "full" if all(layer.precision == "32x32" for layer in inspection.layers) else None


def _order(target: Target, targets: Sequence[Target]) -> tuple[int, int, int]:
    groups = [other.group for other in targets]
    scheme = SCHEMES.index(target.scheme) if target.scheme in SCHEMES else len(SCHEMES)
    return groups.index(target.group), scheme, targets.index(target)
