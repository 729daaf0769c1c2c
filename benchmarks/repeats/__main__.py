"""`python -m benchmarks.repeats [PATH]`: measures the same files many times while other work comes and goes.

A 95 % interval should hold the truth, for which the median of all repeats stands, in 19 of 20 repeats. Each repeat is
one `edgenet bench`: processes of its own, cores of its own choice.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from edgenet import bench
from edgenet.bench.machine import environment
from edgenet.errors import EdgenetError
from edgenet.files import write_whole


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--repeats", default=20, show_default=True, type=click.IntRange(2), help="How often to measure.")
@click.option("--disturbers", default=1, show_default=True, type=click.IntRange(0), help="Processes that disturb.")
@click.option("--min-seconds", default=3.0, show_default=True, help="As of edgenet bench.")
@click.option("--min-runs", default=50, show_default=True, help="As of edgenet bench.")
@click.option("--json", "json_file", default="build/repeats.json", show_default=True, help="Where the rows go.")
@click.option("--quick", is_flag=True, help="LeNet-5 alone, one second a row; some minutes.")
def main(
    paths: tuple[Path, ...],
    repeats: int,
    disturbers: int,
    min_seconds: float,
    min_runs: int,
    json_file: str,
    quick: bool,
) -> None:
    """Measure run folders or .onnx files many times on a busy machine; default LeNet-5 with untrained weights."""
    targets = list(paths) or [_lenet5()]
    seconds = min(min_seconds, 1.0) if quick else min_seconds
    stamp = environment(1)
    click.echo(", ".join(f"{key} {value}" for key, value in stamp.items() if value is not None))
    results = []
    try:
        with _disturbed(disturbers):
            for number in range(repeats):
                results.append(bench.run(targets, min_runs=min_runs, min_seconds=seconds))
                told = "; ".join(_told(row) for row in results[-1]["rows"] if row["speedup"])
                click.echo(f"{number + 1} of {repeats}: {told}", err=True)
    except EdgenetError as error:
        raise click.ClickException(str(error)) from error
    rows = summarize(results)
    click.echo(_table(rows, repeats, disturbers))
    file = Path(json_file)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps({"environment": stamp, "disturbers": disturbers, "rows": rows}, indent=2) + "\n")


def summarize(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row a network, scheme and path that has a speedup: its repeats, and in how many the interval held."""
    rows = []
    for index, first in enumerate(results[0]["rows"]):
        if not first["speedup"]:
            continue
        speedups = [result["rows"][index]["speedup"] for result in results]
        middle = statistics.median(speedup["median"] for speedup in speedups)
        widths = [(speedup["high"] - speedup["low"]) / 2 / speedup["median"] for speedup in speedups]
        rows.append(
            {
                **{key: first[key] for key in ("model", "scheme", "path")},
                "median": middle,
                "lowest": min(speedup["median"] for speedup in speedups),
                "highest": max(speedup["median"] for speedup in speedups),
                "held": sum(speedup["low"] <= middle <= speedup["high"] for speedup in speedups),
                "narrow": sum(width <= 0.05 for width in widths),
                "half_width": statistics.median(widths),
                "windows": statistics.median(len(speedup["windows"]) for speedup in speedups),
                "valid": sum(result["rows"][index]["valid"] for result in results),
                "repeats": speedups,
            }
        )
    return rows


_HEADINGS = (
    "network", "scheme", "path", "speedup", "repeats between", "interval held it", "half-width", "at most 5 %",
    "windows", "valid",
)  # fmt: skip


def _table(rows: list[dict[str, Any]], repeats: int, disturbers: int) -> str:
    lines = ["", _line(_HEADINGS), _line(["---"] * 3 + ["---:"] * 7)]
    for row in rows:
        cells = [
            row["model"], row["scheme"], row["path"], f"{row['median']:.2f}x",
            f"{row['lowest']:.2f}x and {row['highest']:.2f}x", f"{row['held']} of {repeats}",
            f"{row['half_width']:.1%}", f"{row['narrow']} of {repeats}", f"{row['windows']:.0f}",
            f"{row['valid']} of {repeats}",
        ]  # fmt: skip
        lines.append(_line(cells))
    lines += [
        "",
        f"speedup: median of all repeats, beside {disturbers} process(es) that work off and on; interval held it: in",
        "so many repeats the 95 % interval has that median inside; half-width: the median, as a share of the speedup.",
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _told(row: dict[str, Any]) -> str:
    speedup = row["speedup"]
    return f"{row['scheme']} {row['path']} {speedup['median']:.2f}x {speedup['low']:.2f}-{speedup['high']:.2f}"


@contextmanager
def _disturbed(count: int) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.repeats.disturber"]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    working = [subprocess.Popen([*command, str(seed)], env={**os.environ, **threads}) for seed in range(count)]
    try:
        yield
    finally:
        for process in working:
            process.kill()
            process.wait()


def _lenet5() -> Path:
    """Export LeNet-5 in all schemes, untrained, into the build folder."""
    import torch

    from edgenet.exporter import export
    from edgenet.models import create
    from edgenet.nn import calibrate

    folder = Path("build/repeats-lenet5")
    folder.mkdir(parents=True, exist_ok=True)
    images = torch.randn((8, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    for scheme in ("full", "bwn", "xnor"):
        if not (folder / f"{scheme}.onnx").is_file():
            torch.manual_seed(0)
            model = create("lenet5", 10, scheme, in_channels=1)
            if scheme == "xnor":
                calibrate(model, images)
            export(model, images[:1], folder / f"{scheme}.onnx", metadata={"model": "lenet5"})
    return folder


if __name__ == "__main__":
    main()
