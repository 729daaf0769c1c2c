"""What a run folder has for the browser: networks that take pictures or sound as they are, and held-out pictures."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from edgenet.errors import EdgenetError
from edgenet.exporter.preprocessing import embed_preprocessing
from edgenet.exporter.preprocessing.pictures import IMAGE, embed_pictures
from edgenet.tasks.catalog import IMAGES, LABELLING, SEQUENCES
from edgenet.tasks.held_out import HeldOut
from edgenet.tasks.pictures import PicturePreprocessing

SCHEMES = ("full", "bwn", "xnor")
SAMPLES = "samples.npz"
MOST_SAMPLES = 300
_FRONT = "preprocessing.onnx"


@dataclass(frozen=True)
class Offer:
    """The networks of one run, as the page gets them."""

    description: dict[str, Any]
    """What `run.json` says: name, data, kind (`image` or `sound`), classes, networks, samples."""
    models: dict[str, bytes] = field(default_factory=dict)
    """By name of the file; preprocessing is inside."""
    pictures: NDArray[np.uint8] | None = None
    """Held-out pictures [N, height, width, channels]."""
    left_out: list[str] = field(default_factory=list)
    """What lies there and is not offered: a sentence each."""


def offer(folder: Path) -> Offer:
    """Read the networks of a run folder and embed the preprocessing of those whose file has none.

    Raises:
        EdgenetError: there are none, or they take neither pictures nor sound, or give no classes.
    """
    if not folder.is_dir():
        raise EdgenetError(f"{folder} is no folder; name a run folder that edgenet binarize has written.")
    files = [folder / f"{scheme}.onnx" for scheme in SCHEMES if (folder / f"{scheme}.onnx").is_file()]
    if not files:
        raise EdgenetError(
            f"{folder} holds no full.onnx, bwn.onnx or xnor.onnx; name a run folder of edgenet binarize."
        )
    networks, models = [], {}
    for file in files:
        model = _load(file)
        metadata = {entry.key.removeprefix("edgenet."): entry.value for entry in model.metadata_props}
        if metadata.get("task") not in (IMAGES, SEQUENCES, LABELLING):
            raise EdgenetError(f"{file} is for {metadata.get('task', 'another task')}; the page shows classes alone.")
        embed_preprocessing(model)
        content = model.SerializeToString()
        models[file.name] = content
        state = next((value for value in model.graph.input if value.name == "state"), None)
        networks.append({
            "file": file.name, "scheme": file.stem, "label": file.stem, "bytes": len(content),
            "state": None if state is None else [dim.dim_value or 1 for dim in state.type.tensor_type.shape.dim],
        })  # fmt: skip
    takes_pictures = model.graph.input[0].name == IMAGE
    described = json.loads(metadata["preprocessing"])
    modules = [file.with_suffix(".wasm") for file in files if file.with_suffix(".wasm").is_file()]
    reasons = {module: _why_left_out(module, takes_pictures) for module in modules}
    left_out = [reason for reason in reasons.values() if reason is not None]
    compiled = [module for module, reason in reasons.items() if reason is None]
    if compiled:
        models[_FRONT] = _preprocessing(described, model)
    for module in compiled:
        models[module.name] = module.read_bytes()
        networks.append({
            "file": module.name, "scheme": module.stem, "label": f"{module.stem} compiled", "compiled": True,
            "preprocessing": _FRONT, "bytes": len(models[module.name]), "state": None,
        })  # fmt: skip
    pictures, targets = _pictures(folder / SAMPLES, described) if takes_pictures else (None, [])
    description = {
        "name": metadata.get("model") or folder.name,
        "data": metadata.get("data"),
        "kind": "image" if takes_pictures else "sound",
        "classes": json.loads(metadata.get("classes", "null")),
        "channels": len(described["mean"]) if takes_pictures else None,
        "rate": described.get("rate"),
        "streams": all(network["state"] for network in networks),
        "networks": networks,
        "samples": None if pictures is None else {"shape": list(pictures.shape), "targets": targets},
    }
    return Offer(description, models, pictures, left_out)


def _why_left_out(module: Path, takes_pictures: bool) -> str | None:
    """Why a compiled network is not offered, None where it is."""
    file = module.with_suffix(".onnx")
    if not takes_pictures:
        return f"{module} is left out: the page runs compiled networks over pictures alone."
    if module.stat().st_mtime < file.stat().st_mtime:
        return f"{module} is older than {file.name} and left out; write it again with edgenet export --format wasm."
    return None


def _preprocessing(described: dict[str, Any], model: onnx.ModelProto) -> bytes:
    """A file that makes `sample` of `image` as the model does, whose preprocessing is embedded."""
    how = PicturePreprocessing.of(described)
    assert how is not None
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("input", "sample")]
    node = onnx.helper.make_node("Identity", ["input"], ["sample"])
    graph = onnx.helper.make_graph([node], "preprocessing", values[:1], values[1:])
    embed_pictures(graph, how)
    opsets = [opset for opset in model.opset_import if not opset.domain]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=model.ir_version).SerializeToString()


def _load(file: Path) -> onnx.ModelProto:
    try:
        return onnx.load(file)
    except (DecodeError, OSError) as error:
        raise EdgenetError(f"{file} cannot be read as ONNX; export it again") from error


def _pictures(path: Path, described: dict[str, Any]) -> tuple[NDArray[np.uint8] | None, list[int]]:
    how = PicturePreprocessing.of(described)
    if how is None or not path.is_file():
        return None, []
    held_out = HeldOut.load(path)
    # Spread over all classes, which often lie one behind the other.
    chosen = np.random.default_rng(0).permutation(len(held_out))[:MOST_SAMPLES]
    return how.pictures(held_out.inputs[chosen]), held_out.targets[chosen].tolist()
