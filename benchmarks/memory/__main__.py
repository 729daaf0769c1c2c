"""`python -m benchmarks.memory`: what each loaded network holds, full precision and binary, native and portable.

A process a network: private memory (clean and dirty pages of its own) above what it had with the runtime and a trivial
model loaded; median of three processes. Networks are untrained ones at 224x224; exporting them needs torch.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click

from benchmarks.graphs import Graph
from benchmarks.networks import FULL, NETWORKS, SIZE, Variant, export_network
from edgenet.bench.machine import environment
from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.runtime import library

_VARIANTS = (FULL, *(Variant(scheme, ends) for scheme in ("bwn", "xnor") for ends in ("fp32", "int8", "binary")))
_QUICK_VARIANTS = (FULL, Variant("xnor", "binary"))
_PROCESSES, _QUICK_PROCESSES = 3, 1
Row = dict[str, Any]


@click.command()
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the rows as JSON.")
@click.option("--quick", is_flag=True, help="fp32 and xnor with binary ends alone, one process each.")
@click.option("--only", type=click.Choice(NETWORKS), help="One network.")
@click.option("--size", default=SIZE, show_default=True, help="Height and width of the images.")
def main(json_file: Path | None, quick: bool, only: str | None, size: int) -> None:
    """Measure the memory that loaded networks hold."""
    stamp = environment(1)
    click.echo(", ".join(f"{key} {value}" for key, value in stamp.items() if value is not None) + "\n")
    click.echo("| network | version | path | file, MB | loaded, MB | after runs, MB | peak, MB | of fp32 after load |")
    click.echo("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    rows: list[Row] = []
    notes: list[str] = []
    for name in [only] if only else NETWORKS:
        with TemporaryDirectory() as folder:
            found, left_out = _network(name, _QUICK_VARIANTS if quick else _VARIANTS, Path(folder), size, quick)
            rows += found
            notes += left_out
    click.echo(
        "\nloaded, after runs: private memory above a process with the runtime and a trivial model; peak: of the"
    )
    click.echo("resident memory while loading, above the same; MB: 1,000,000 bytes.")
    for note in notes:
        click.echo(f"- left out: {note}")
    if json_file:
        write_whole(json_file, json.dumps({"environment": stamp, "rows": rows}, indent=2) + "\n")


def _network(
    name: str, variants: Sequence[Variant], folder: Path, size: int, quick: bool
) -> tuple[list[Row], list[str]]:
    trivial = folder / "trivial.onnx"
    graph = Graph()
    graph.add("Relu", ["x"], ["y"])
    trivial.write_bytes(graph.model({"x": [1]}, {"y": [1]}))
    rows: list[Row] = []
    notes: list[str] = []
    for variant in variants:
        try:
            file = export_network(name, variant, folder, size).file
        except EdgenetError as error:
            notes.append(f"{name} {variant.label}: {error}")
            continue
        for path in ["plain"] if variant == FULL else ["native", "portable"] if library.available() else ["portable"]:
            try:
                memory = held(trivial, file, path, size, _QUICK_PROCESSES if quick else _PROCESSES)
            except EdgenetError as error:
                notes.append(f"{name} {variant.label} {path}: {error}")
                continue
            rows.append(_row(name, variant, path, file, memory, rows))
            click.echo(_line(rows[-1]))
        file.unlink()
    return rows, notes


def held(trivial: Path, file: Path, path: str, size: int, processes: int) -> dict[str, float]:
    """Return the medians of what so many processes report.

    Raises:
        EdgenetError: a process ended with an error.
    """
    root = str(Path(__file__).parents[2])
    words = [sys.executable, "-m", "benchmarks.memory.holder", str(trivial), str(file), path, str(size)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    replies = []
    for _ in range(processes):
        done = subprocess.run(words, capture_output=True, text=True, env=variables)
        if done.returncode:
            raise EdgenetError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        replies.append(json.loads(done.stdout))
    return {key: median(reply[key] for reply in replies) for key in ("loaded", "after_runs", "peak")}


def _row(name: str, variant: Variant, path: str, file: Path, held: dict[str, float], rows: Sequence[Row]) -> Row:
    full = next((row["loaded_bytes"] for row in rows if row["scheme"] == "full"), None)
    return {
        "network": name,
        "scheme": variant.scheme,
        "ends": variant.ends,
        "path": path,
        "file_bytes": file.stat().st_size,
        "loaded_bytes": held["loaded"],
        "after_runs_bytes": held["after_runs"],
        "peak_load_bytes": held["peak"],
        "of_full": held["loaded"] / full if full else None,
    }


def _line(row: Row) -> str:
    version = row["scheme"] if row["scheme"] == "full" else f"{row['scheme']}, ends {row['ends']}"
    sizes = [row[f"{key}_bytes"] / 1e6 for key in ("file", "loaded", "after_runs", "peak_load")]
    share = "" if row["of_full"] is None else f"1/{1 / row['of_full']:.1f}"
    return "| " + " | ".join([row["network"], version, row["path"], *(f"{size:.1f}" for size in sizes), share]) + " |"


if __name__ == "__main__":
    main()
