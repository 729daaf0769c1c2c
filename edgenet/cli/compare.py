"""`edgenet compare`: two results side by side."""

import dataclasses
from pathlib import Path

import click

from edgenet.cli.base import Command, show, write_json


@click.command(cls=Command, short_help="Two results side by side.")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--json", "json_file", metavar="FILE", help="Write it as JSON; - for standard output.")
def compare(first: Path, second: Path, json_file: str | None) -> None:
    """Compare two results with 95 % intervals: files that bench --json wrote, or run folders (their report.json)."""
    from edgenet.bench import compare as compare_results
    from edgenet.bench import read_result
    from edgenet.report import comparison_table

    files = [path / "report.json" if path.is_dir() else path for path in (first, second)]
    comparison = compare_results(*map(read_result, files))
    if json_file:
        write_json(dataclasses.asdict(comparison), json_file)
    if json_file != "-":
        show(comparison_table(comparison, str(first), str(second)))
