"""`edgenet inspect`: what is in a file, layer by layer."""

import dataclasses
from pathlib import Path

import click

from edgenet.cli.base import Command, show, write_json


@click.command(cls=Command, short_help="Layers of an .onnx file: bits, bytes, work.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--input-shape", help="Shape of the first input, for example 1,3,224,224.")
@click.option("--json", "json_file", metavar="FILE", help="Write it as JSON; - for standard output.")
def inspect(file: Path, input_shape: str | None, json_file: str | None) -> None:
    """Show per layer bits, weights, bytes and multiply-adds of FILE.onnx, and why a layer is not binary."""
    from edgenet.bench import parse_shapes
    from edgenet.report import inspection_table
    from edgenet.runtime.inspection import inspect as inspect_file

    inspection = inspect_file(file, parse_shapes([input_shape]) if input_shape else None)
    if json_file:
        totals = ("macs", "binary_macs", "operations", "macs_by_precision")
        write_json({**dataclasses.asdict(inspection), **{key: getattr(inspection, key) for key in totals}}, json_file)
    if json_file != "-":
        show(inspection_table(inspection, file))
