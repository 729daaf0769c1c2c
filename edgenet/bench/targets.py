"""From what a user names, run folders and .onnx files, to the rows that are measured."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgenet.errors import EdgenetError
from edgenet.runtime.inspection import Inspection, inspect
from edgenet.tasks.catalog import CAPTIONING, TRANSDUCTION

INT8 = "int8"
"""The scheme of what ONNX Runtime itself makes of a full-precision file (`edgenet.bench.quantizing`)."""
SCHEMES = ("full", "bwn", "xnor", INT8)
SAMPLES = "samples.npz"
ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
"""How the two files of an encoder-decoder end, as in `xnor-encoder.onnx`."""
# The group of files that were named themselves; no folder has an empty name.
_FILES = ""


@dataclass(frozen=True)
class Target:
    """One row to measure: a file and the path it is to take."""

    file: Path
    name: str
    """The file's name, with as much of its folder before it as tells it from others of the same model."""
    native: bool | None
    """True for native kernels, False for the file's own functions, None where it has no `edgenet` nodes."""
    group: str
    """Rows of one group are compared with its row of scheme `full`."""
    model: str
    scheme: str | None
    inspection: Inspection
    samples: Path | None
    encoder: Path | None = None
    """The file that `file`, a decoder, reads off; sizes and work are those of both."""

    @property
    def files(self) -> list[Path]:
        return [self.file] if self.encoder is None else [self.encoder, self.file]

    def metadata(self, key: str) -> str | None:
        """Return what the exporter recorded under `edgenet.<key>`."""
        return self.inspection.metadata.get(f"edgenet.{key}")

    @property
    def label(self) -> str:
        path = {None: "", True: " native", False: " portable"}[self.native]
        return f"{self.model} {self.scheme or self.file.name}{path}"


def collect(
    paths: Sequence[str | Path],
    *,
    native: bool,
    shapes: Mapping[str, Sequence[int]] | None = None,
    quantize: Callable[[Path], Path] | None = None,
) -> list[Target]:
    """Return the rows of run folders and .onnx files, in the order full, bwn, xnor, native before portable.

    Args:
        paths: run folders (every .onnx in it) or .onnx files; files named beside each other are compared. A file that
            is named twice counts once.
        native: whether native kernels can be had.
        shapes: input shapes by name, the empty name for the first input, where the file is not to decide.
        quantize: writes a version of a full-precision file with fewer bits, which becomes a row beside it.

    Raises:
        EdgenetError: a path is missing, a folder holds no .onnx file, a file is no ONNX model.
    """
    targets: list[Target] = []
    seen: set[str] = set()
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
            if os.path.abspath(file) in seen or (path.is_dir() and _partner(file, ENCODER, DECODER)):
                continue
            seen.add(os.path.abspath(file))
            rows = _rows(file, str(path) if path.is_dir() else _FILES, native, shapes)
            targets.extend(rows)
            if quantize is not None:
                targets.extend(_quantized(row, quantize, shapes) for row in rows if _is_plain_full(row))
    if quantize is not None and not any(target.scheme == INT8 for target in targets):
        raise EdgenetError(
            "--quantize needs a full-precision file in a file of its own, full.onnx of a run folder or one of others."
        )
    targets = _tell_apart(targets)
    return sorted(targets, key=lambda target: _order(target, targets))


def newest_run(runs: Path = Path("runs")) -> Path | None:
    """Return the folder under `runs` whose .onnx files are newest, None if there is none."""
    files = sorted(runs.glob("*/*.onnx"), key=lambda file: file.stat().st_mtime)
    return files[-1].parent if files else None


def reference(target: Target, targets: Sequence[Target]) -> int | None:
    """Return the index of the row that a row is compared with: the one of scheme `full` in its group.

    Where files of several networks were named together, it is the one of the same network; where of several folders,
    the one of the same folder; where `full` has 1-bit layers of its own, the one on the same path. None where there is
    no such row, or more than one.
    """
    full = [i for i, other in enumerate(targets) if other.group == target.group and other.scheme == "full"]
    if len(full) > 1:
        full = [i for i in full if targets[i].model == target.model]
    if len(full) > 1:
        full = [i for i in full if _folder(targets[i]) == _folder(target)]
    if len(full) > 1:
        full = [i for i in full if targets[i].native == target.native]
    return full[0] if len(full) == 1 else None


def _rows(file: Path, group: str, native: bool, shapes: Mapping[str, Sequence[int]] | None) -> list[Target]:
    encoder = _partner(file, DECODER, ENCODER)
    inspection = inspect(file, shapes if encoder is None else None)
    if encoder is not None:
        inspection = _together(inspect(encoder), inspection)
    metadata = inspection.metadata
    binary = any(layer.binary for layer in inspection.layers)
    # Half of a network has no answers that the samples could be compared with.
    alone = encoder is None and metadata.get("edgenet.task") in (TRANSDUCTION, CAPTIONING)
    # The samples of recordings are features, of which no sound can be made.
    described = json.loads(metadata.get("edgenet.preprocessing", "{}"))
    alone = alone or (described.get("embedded", False) and "rate" in described)
    common: dict[str, Any] = {
        "file": file,
        "name": file.name,
        "group": group,
        "model": metadata.get("edgenet.model") or (file.stem if group == _FILES else file.parent.name),
        "scheme": metadata.get("edgenet.scheme") or _guess_scheme(inspection),
        "inspection": inspection,
        "samples": file.with_name(SAMPLES) if file.with_name(SAMPLES).is_file() and not alone else None,
        "encoder": encoder,
    }
    paths = [None] if not binary else [True, False] if native else [False]
    return [Target(native=path, **common) for path in paths]


def _is_plain_full(row: Target) -> bool:
    return row.scheme == "full" and row.native is None and row.encoder is None


def _quantized(full: Target, quantize: Callable[[Path], Path], shapes: Mapping[str, Sequence[int]] | None) -> Target:
    """The row of a full-precision file's version with fewer bits, on the same samples."""
    file = quantize(full.file)
    return replace(
        full, file=file, name=f"{full.file.stem}-{INT8}.onnx", scheme=INT8, inspection=inspect(file, shapes or None)
    )


def _partner(file: Path, own: str, other: str) -> Path | None:
    """The other half of an encoder and decoder beside a file that is named as one half; None where there is none."""
    if not file.name.endswith(own):
        return None
    found = file.with_name(file.name.removesuffix(own) + other)
    return found if found.is_file() else None


def _together(encoder: Inspection, decoder: Inspection) -> Inspection:
    """Layers and totals of both files, under what the decoder says of itself."""
    layers = [
        replace(layer, name=f"{part}.{layer.name}")
        for part, inspection in (("encoder", encoder), ("decoder", decoder))
        for layer in inspection.layers
    ]
    return replace(
        decoder,
        layers=layers,
        input_shape=encoder.input_shape,
        parameters=encoder.parameters + decoder.parameters,
        binary_parameters=encoder.binary_parameters + decoder.binary_parameters,
        weight_bytes=encoder.weight_bytes + decoder.weight_bytes,
    )


def _tell_apart(targets: Sequence[Target]) -> list[Target]:
    """Put the folder before the names of a model's files where two of them have the same name."""
    named = list(targets)
    for model in {target.model for target in targets}:
        files = {os.path.abspath(target.file): target for target in targets if target.model == model}
        if len({target.file.name for target in files.values()}) == len(files):
            continue
        folders = {_folder(target) for target in files.values()}
        parts = 1
        while len({folder.parts[-parts:] for folder in folders}) < len(folders):
            parts += 1
        for i, target in enumerate(named):
            if target.model == model:
                name = Path(*_folder(target).parts[-parts:], target.file.name)
                named[i] = replace(target, name=name.as_posix())
    return named


def _folder(target: Target) -> Path:
    return Path(os.path.abspath(target.file.parent))


def _guess_scheme(inspection: Inspection) -> str | None:
    """A file of others is full precision if all its weights and activations are floats; else no scheme of ours."""
    return "full" if all(layer.precision == "32x32" for layer in inspection.layers) else None


def _order(target: Target, targets: Sequence[Target]) -> tuple[int, int, int]:
    groups = [other.group for other in targets]
    scheme = SCHEMES.index(target.scheme) if target.scheme in SCHEMES else len(SCHEMES)
    return groups.index(target.group), scheme, targets.index(target)
