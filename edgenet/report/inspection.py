"""What is in a file, layer by layer."""

from pathlib import Path

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from edgenet.report import cells
from edgenet.runtime.inspection import Inspection


def inspection_table(inspection: Inspection, file: str | Path) -> Group:
    """Return a table of a file's layers and a line of totals."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("layer", overflow="fold")
    grid.add_column("operator", no_wrap=True)
    for name in ("bits", "weights", "bytes", "multiply-adds"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("why not one bit")
    for layer in inspection.layers:
        work = None if layer.macs is None or layer.binary_macs is None else layer.macs + layer.binary_macs
        grid.add_row(
            layer.name,
            layer.operator,
            layer.precision,
            cells.count(layer.weights),
            cells.size(layer.weight_bytes),
            cells.count(work),
            layer.reason,
        )
    shape = "x".join(map(str, inspection.input_shape or [])) or "unknown"
    binary = cells.count(inspection.binary_parameters)
    totals = (
        f"{file}: {cells.size(Path(file).stat().st_size)}, weights {cells.size(inspection.weight_bytes)}; "
        f"{cells.count(inspection.parameters)} parameters, {binary} of them one bit; "
        f"at input {shape} {cells.count(inspection.macs)} multiply-adds and {cells.count(inspection.binary_macs)} "
        f"binary ones = {cells.count(inspection.operations)} operations (binary / 64)."
    )
    return Group(grid, Text(totals), Text("bits: weight x activation.", style="dim"))
