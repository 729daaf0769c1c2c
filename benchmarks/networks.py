"""`python -m benchmarks.networks`: ResNet-18 at 224x224, untrained, batch 1, one thread: speed, and memory to load.

Every network runs in a process of its own, all in turns, as `edgenet bench` does it. Needs edgenet[train], to export.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

_LOAD_FACTOR, _LOAD_BYTES = 3, 10_000_000


@click.command()
@click.option("--isa", type=click.Choice(["scalar", "avx2", "avx512"]), help="Force an instruction set.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result as edgenet bench does.")
@click.option("--quick", is_flag=True, help="At least 1.5 seconds a network instead of 5.")
def main(isa: str | None, json_file: Path | None, quick: bool) -> None:
    """Measure whole networks against ONNX Runtime's fp32, and what loading them takes."""
    if isa:
        # Processes that measure inherit it.
        os.environ["EDGENET_ISA"] = isa
    from edgenet import bench
    from edgenet.cli.base import progress
    from edgenet.cli.untrained import export_untrained
    from edgenet.errors import EdgenetError
    from edgenet.report import markdown

    try:
        # Exported anew, so that what is measured is what this version writes.
        with TemporaryDirectory() as temporary, progress() as report:
            folder = export_untrained(Path(temporary) / "resnet18-224-untrained")
            result = bench.run([folder], min_seconds=1.5 if quick else 5.0, min_runs=20, seed=0, progress=report)
    except EdgenetError as error:
        raise click.ClickException(str(error)) from error
    click.echo(markdown(result))
    for row in result["rows"]:
        if row["path"] == "native":
            click.echo(_load_line(row))
    if json_file:
        bench.write_json(result, json_file)


def _load_line(row: dict[str, Any]) -> str:
    limit = _LOAD_FACTOR * row["file_bytes"] + _LOAD_BYTES
    peak = row["rss_load_peak_bytes"]
    verdict = "within" if peak <= limit else "ABOVE"
    return (
        f"- {row['scheme']} native: loading peaks at {peak / 1e6:.1f} MB above ONNX Runtime alone, {verdict} "
        f"{_LOAD_FACTOR} x {row['file_bytes'] / 1e6:.2f} MB + {_LOAD_BYTES / 1e6:.0f} MB = {limit / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
