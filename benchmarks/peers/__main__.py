"""`python -m benchmarks.peers`: our operators and networks against other ways to run them, one pinned thread, batch 1.

All run in turns, floats in and out: ONNX Runtime in fp32, 8-bit (QDQ, per channel) and with low-bit weights
(MatMulNBits), OpenVINO in fp32, 8-bit and BinaryConvolution, LiteRT in fp32 and 8-bit, PyTorch in fp32. A peer that is
not installed is left out and named; `pip install '.[peers]'` gets them all. Networks are untrained ones at 224x224;
exporting them needs `pip install '.[train]'`.
"""

import functools
import importlib
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from benchmarks.contenders import Contender, instruction_set, own, portable, runner
from benchmarks.layers import Layer, select
from benchmarks.networks import FULL, NETWORKS, SIZE, Variant, export_network
from benchmarks.peers.peer import CannotBuildError, Make, Network, Peer
from benchmarks.study import ISAS, NETWORK_WEIGHT, Study, Subject, begin, chosen_isas
from edgenet.errors import EdgenetError
from edgenet.runtime import InferenceSession

# Distribution, module here, class.
_PEERS = (
    ("onnxruntime", "ort", "OnnxRuntime"),
    ("openvino", "openvino_cpu", "OpenVino"),
    ("ai-edge-litert", "litert", "LiteRt"),
    ("torch", "pytorch", "PyTorch"),
)
_XNOR, _XNOR_FP32_ENDS = Variant("xnor", "int8"), Variant("xnor", "fp32")
_VARIANTS = (
    _XNOR, _XNOR_FP32_ENDS, Variant("xnor", "binary"), Variant("bwn", "fp32"), Variant("bwn", "int8", "int8"),
)  # fmt: skip
_QUICK_VARIANTS = {
    "resnet18": (_XNOR, _XNOR_FP32_ENDS, Variant("bwn", "fp32")),
    "vgg16": (_XNOR,),
    "resnet50": (_XNOR,),
}


@click.command()
@click.option("--isa", type=click.Choice(ISAS), help="Another instruction set than the widest.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the rows as JSON.")
@click.option("--quick", is_flag=True, help="The best-known shapes and fewer variants, under five minutes.")
@click.option("--only", help="Shapes whose name contains this, for example conv3x3 or network-resnet18.")
def main(isa: str | None, json_file: Path | None, quick: bool, only: str | None) -> None:
    """Measure our operators and networks against every peer that is installed."""
    started = time.monotonic()
    layers = select(quick, only)
    networks = [name for name in NETWORKS if not only or only in f"network-{name}-{SIZE}"]
    if not layers and not networks:
        names = [layer.name for layer in select(quick, None)] + [f"network-{name}-{SIZE}" for name in NETWORKS]
        raise click.ClickException(f"no shape is named like {only!r}; there are {', '.join(names)}")
    peers, missing = _installed()
    names = [name for peer in peers for name in peer.names]
    with begin(names, len(layers) + NETWORK_WEIGHT * len(networks), quick, started) as study:
        for note in missing:
            study.left_out(note)
        (chosen,) = chosen_isas(isa, widest_only=True)
        for layer in layers:
            _layer(study, layer, chosen, peers)
        for name in networks:
            variants = _QUICK_VARIANTS[name] if quick else _VARIANTS
            with TemporaryDirectory() as folder:
                _network(study, name, variants, chosen, peers, Path(folder))
    if json_file:
        study.write(json_file)


def _installed() -> tuple[list[Peer], list[str]]:
    """Return the peers that can be imported, and a note on each of the others."""
    peers, missing = [], []
    for distribution, module, kind in _PEERS:
        try:
            peers.append(getattr(importlib.import_module(f"benchmarks.peers.{module}"), kind)())
        except ImportError:
            missing.append(f"{distribution}: not installed (pip install '.[peers]' in a clone of edgenet)")
    return peers, missing


def _layer(study: Study, layer: Layer, isa: str, peers: list[Peer]) -> None:
    subject = Subject(layer.op, layer.shape, layer)
    if study.out_of_time(subject):
        return
    contenders = [
        contender
        for scheme in layer.schemes
        for contender in study.contender(
            f"{layer.op} {scheme.label} on {isa}", functools.partial(own, layer, scheme, isa)
        )
    ]
    if not layer.op.startswith("conv"):
        scheme = layer.schemes[0]
        contenders += study.contender(f"{layer.op} {scheme.label} portable", functools.partial(portable, layer, scheme))
    for peer in peers:
        contenders += _made(study, peer.layer(layer))
    study.add(subject, contenders)


def _made(study: Study, makes: dict[str, Make]) -> list[Contender]:
    contenders = []
    for make in makes.values():
        try:
            contenders.append(make())
        except CannotBuildError as error:
            study.left_out(str(error))
    return contenders


def _network(study: Study, name: str, variants: tuple[Variant, ...], isa: str, peers: list[Peer], folder: Path) -> None:
    from benchmarks.peers.ort import quantize

    subject = Subject("network", f"{name}-{SIZE}")
    if study.out_of_time(subject):
        return
    feeds = {"input": np.random.default_rng(1).standard_normal((1, 3, SIZE, SIZE), np.float32)}
    try:
        full = export_network(name, FULL, folder)
    except EdgenetError as error:
        study.left_out(f"network {name}: {error}")
        return
    contenders = []
    for variant in variants:
        what = f"network {name} {variant.label}"
        contenders += study.contender(what, functools.partial(_own_network, name, variant, isa, folder, feeds))
        if variant == _XNOR_FP32_ENDS:
            file = folder / f"{name}-{SIZE}-{variant.label}.onnx"
            contenders += study.contender(f"{what} portable", functools.partial(_portable_network, file, feeds))
    int8 = folder / "int8.onnx"
    quantize(full.file, int8, feeds)
    network = Network(name, full.file, int8, feeds, full.module)
    for peer in peers:
        contenders += _made(study, peer.network(network))
    study.add(subject, contenders)


def _own_network(name: str, variant: Variant, isa: str, folder: Path, feeds: dict[str, np.ndarray]) -> Contender:
    file = export_network(name, variant, folder).file
    with instruction_set(isa):
        call = runner(InferenceSession(file, native=True), feeds)
    return Contender("edgenet", variant.scheme, call, isa=isa, ends=variant.ends, activations=variant.activations)


def _portable_network(file: Path, feeds: dict[str, np.ndarray]) -> Contender:
    call = runner(InferenceSession(file, native=False), feeds)
    return Contender("edgenet-portable", _XNOR_FP32_ENDS.scheme, call, ends=_XNOR_FP32_ENDS.ends)


if __name__ == "__main__":
    main()
