"""`python -m benchmarks.kernels`: our operators against ONNX Runtime's fp32 of the same shape, one pinned thread.

Prints a Markdown table with the environment it was measured in. All of a shape's implementations run in turns, on AVX2
and AVX-512; a ratio is the peer's time over ours. Convolutions that hand on packed signs run five in a row against
five of ONNX Runtime's in a row. Linear and recurrent layers also run as the bodies that every file carries
(edgenet-portable). The plot shows how near each is to the limit (`benchmarks/kernels/roofline.py`).
"""

import functools
import time
from pathlib import Path

import click

from benchmarks.contenders import ort_fp32, ort_fp32_chain, own, own_chain, portable
from benchmarks.kernels.plot import plot
from benchmarks.layers import XNOR, Convolution, Layer, select
from benchmarks.study import ISAS, Study, Subject, begin, chosen_isas, write_plot


@click.command()
@click.option("--isa", type=click.Choice(ISAS), help="One instruction set instead of all.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the rows as JSON.")
@click.option(
    "--plot",
    "plot_file",
    type=click.Path(path_type=Path),
    help="Write the roofline as PNG; by default beside the JSON.",
)
@click.option("--quick", is_flag=True, help="The best-known shapes alone, under five minutes.")
@click.option("--only", help="Shapes whose name contains this, for example conv3x3 or linear-4096-4096.")
def main(isa: str | None, json_file: Path | None, plot_file: Path | None, quick: bool, only: str | None) -> None:
    """Measure our operators against ONNX Runtime's fp32, and how near they are to the machine's limits."""
    started = time.monotonic()
    layers = select(quick, only)
    if not layers:
        names = ", ".join(layer.name for layer in select(quick, None))
        raise click.ClickException(f"no shape is named like {only!r}; there are {names}")
    chains = sum(isinstance(layer, Convolution) and layer.chains for layer in layers)
    with begin(["ort-fp32"], len(layers) + chains, quick, started) as study:
        isas = chosen_isas(isa)
        for layer in layers:
            _layer(study, layer, isas)
    if json_file:
        study.write(json_file)
        plot_file = plot_file or (json_file.with_suffix(".png") if json_file.is_file() else None)
    if plot_file:
        write_plot(plot_file, functools.partial(plot, study.rows, layers, study.roofline))


def _layer(study: Study, layer: Layer, isas: list[str]) -> None:
    subject = Subject(layer.op, layer.shape, layer)
    if study.out_of_time(subject):
        return
    contenders = [
        contender
        for scheme in layer.schemes
        for isa in isas
        for contender in study.contender(
            f"{layer.op} {scheme.label} on {isa}", functools.partial(own, layer, scheme, isa)
        )
    ]
    if not isinstance(layer, Convolution):
        contenders += study.contender(f"{layer.op} {XNOR.label} portable", functools.partial(portable, layer, XNOR))
    study.add(subject, [*contenders, ort_fp32(layer)])
    if isinstance(layer, Convolution) and layer.chains:
        chains = [
            c
            for isa in isas
            for c in study.contender(f"bits to bits on {isa}", functools.partial(own_chain, layer, isa))
        ]
        study.add(subject, [*chains, ort_fp32_chain(layer)])


if __name__ == "__main__":
    main()
