"""Where a network's time goes, operator by operator."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from edgenet.report import cells

_MOST = 10
_NOTE = (
    "time: of one run of a session of its own in which ONNX Runtime records every operator, which costs some "
    "microseconds each; bits: weight x activation; bytes: of weights; inside: what ran as part of the operator."
)


def profile_tables(result: Mapping[str, Any]) -> Group | None:
    """Return for every row that has a profile a table of its slowest layers; None where there is no profile."""
    parts: list[Table | Text] = []
    for row in result["rows"]:
        if row["profile"]:
            parts += [Text(f"{cells.name(row)}: where the time goes", style="bold"), _table(row["profile"])]
    return Group(*parts, Text(_NOTE, style="dim")) if parts else None


def slowest(profile: Sequence[Mapping[str, Any]], most: int = _MOST) -> list[dict[str, Any]]:
    """Return the slowest layers, slowest first, and what is left as one more."""
    ordered = sorted(profile, key=lambda layer: -layer["ms"])
    shown, rest = ordered[:most], ordered[most:]
    if len(rest) < 2:
        return [dict(layer) for layer in ordered]
    return [*map(dict, shown), {**total(rest), "layer": f"{len(rest)} others"}]


def total(profile: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a profile's layers as one: times, shares, bytes and multiply-adds added up."""
    summed = {key: sum(layer[key] or 0 for layer in profile) for key in _ADDED}
    return {"layer": "all", "operator": "", "precision": None, "fused": [], **summed}


_ADDED = ("ms", "share", "weight_bytes", "macs", "binary_macs")


def work(layer: Mapping[str, Any]) -> str:
    """Write a layer's multiply-adds, of one bit by one bit as `binary`."""
    parts = [cells.count(layer["macs"])] if layer["macs"] else []
    parts += [f"{cells.count(layer['binary_macs'])} binary"] if layer["binary_macs"] else []
    return " + ".join(parts) or cells.NOTHING


def inside(layer: Mapping[str, Any]) -> list[str]:
    """Return the operators that ran within a layer, but for those that say how an 8-bit one is to be read."""
    return [operator for operator in layer["fused"] if operator not in ("QuantizeLinear", "DequantizeLinear")]


def _table(profile: Sequence[Mapping[str, Any]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("layer", overflow="fold", max_width=36)
    grid.add_column("operator", overflow="fold", max_width=18)
    for heading in ("time", "share", "bytes", "bits", "multiply-adds"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("inside", overflow="fold")
    for layer in [*slowest(profile), total(profile)]:
        grid.add_row(
            layer["layer"],
            layer["operator"],
            cells.milliseconds(layer["ms"]),
            f"{layer['share']:.1%}",
            cells.size(layer["weight_bytes"]) if layer["weight_bytes"] else cells.NOTHING,
            layer["precision"] or cells.NOTHING,
            work(layer),
            ", ".join(inside(layer)),
        )
    return grid
