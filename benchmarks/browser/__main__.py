"""`python -m benchmarks.browser`: what WebAssembly makes of a network, in Node's engine, which is Chromium's.

The .onnx files run in ONNX Runtime's WebAssembly build (the portable path), the same networks as `edgenet export
--format wasm` compiles them beside it: one thread, in turns, in one process on one pinned core. A ratio is the time of
fp32 in ONNX Runtime over that of the row, median of paired rounds with its 95 % interval. Networks are untrained, their
ends int8.
"""

import json
import shutil
import subprocess
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click

from benchmarks.interleaved import pinned
from benchmarks.networks import FULL, OWN_SIZES, SIZE, Variant, export_network
from edgenet.bench.machine import environment
from edgenet.bench.statistics import paired_ratio
from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.microcontroller import compile_network
from edgenet.microcontroller.webassembly import compile_wasm
from edgenet.serve import VERSION, find_runtime, page_folder

_NETWORKS = {**OWN_SIZES, "resnet18": SIZE}
_ROUNDS, _QUICK_ROUNDS = 60, 15
_BLOCK_MS = 20.0
Row = dict[str, Any]


@click.command()
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the rows as JSON.")
@click.option("--quick", is_flag=True, help="A quarter of the rounds.")
@click.option("--only", type=click.Choice(list(_NETWORKS)), help="One network.")
@click.option("--runtime", type=click.Path(path_type=Path), help="A folder with onnxruntime-web; else npm brings it.")
def main(json_file: Path | None, quick: bool, only: str | None, runtime: Path | None) -> None:
    """Measure compiled networks beside ONNX Runtime's WebAssembly build."""
    try:
        rows, stamp = _measure([only] if only else list(_NETWORKS), quick, find_runtime(runtime))
    except EdgenetError as error:
        raise click.ClickException(str(error)) from error
    click.echo(", ".join(f"{key} {value}" for key, value in stamp.items() if value is not None) + "\n")
    click.echo("| network | scheme | runs as | file, kB | ms | over fp32 in ONNX Runtime |")
    click.echo("| --- | --- | --- | ---: | ---: | ---: |")
    for row in rows:
        ratio = row["ratio"]
        told = f"{ratio['median']:.2f}x ({ratio['low']:.2f}-{ratio['high']:.2f})" if ratio else ""
        cells = [row["network"], row["scheme"], row["runs_as"], f"{row['file_bytes'] / 1e3:.1f}", f"{row['ms']:.3f}"]
        click.echo(f"| {' | '.join(cells)} | {told} |")
    if json_file:
        write_whole(json_file, json.dumps({"environment": stamp, "rows": rows}, indent=2) + "\n")


def _measure(names: list[str], quick: bool, runtime: Path) -> tuple[list[Row], dict[str, Any]]:
    node = shutil.which("node")
    if node is None:
        raise EdgenetError("there is no Node here; install it (Debian: apt-get install nodejs)")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
    stamp = {**environment(1), "node": version, "onnxruntime": f"web {VERSION}", "isa": "wasm simd128"}
    rows: list[Row] = []
    for name in names:
        with TemporaryDirectory() as folder:
            rows += _network(name, Path(folder), node, runtime, _QUICK_ROUNDS if quick else _ROUNDS)
    return rows, stamp


def _network(name: str, folder: Path, node: str, runtime: Path, rounds: int) -> list[Row]:
    size = _NETWORKS[name]
    jobs: list[dict[str, Any]] = []
    for variant in (FULL, Variant("bwn", "int8"), Variant("xnor", "int8")):
        file = export_network(name, variant, folder, size).file
        jobs.append({"scheme": variant.scheme, "runs_as": "ONNX Runtime", "file": str(file)})
        if variant is not FULL:
            module = file.with_suffix(".wasm")
            module.write_bytes(compile_wasm(compile_network(file)))
            jobs.append({"scheme": variant.scheme, "runs_as": "compiled", "file": str(module)})
    shutil.copy(page_folder() / "wasm.js", folder / "wasm.mjs")
    shutil.copy(Path(__file__).with_name("turns.mjs"), folder)
    told = {"runtime": str(runtime.resolve()), "shape": [1, 3, size, size], "rounds": rounds, "block": _BLOCK_MS,
            "files": [job["file"] for job in jobs]}  # fmt: skip
    with pinned():
        done = subprocess.run([node, "turns.mjs", json.dumps(told)], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise EdgenetError(f"Node could not run {name}: {done.stderr.strip()[-300:]}")
    blocks: list[list[float]] = json.loads(done.stdout)
    rows = []
    for job, own in zip(jobs, blocks, strict=True):
        ratio = paired_ratio(blocks[0], own) if own is not blocks[0] else None
        rows.append({
            "network": f"{name}-{size}", "scheme": job["scheme"], "runs_as": job["runs_as"],
            "file_bytes": Path(job["file"]).stat().st_size, "ms": median(own),
            "ratio": ratio and dict(zip(("median", "low", "high"), ratio, strict=True)),
        })  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
