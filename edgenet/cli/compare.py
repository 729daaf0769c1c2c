"""`edgenet compare`: two results side by side."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgenet.cli.base import Command, note, show, write_json
from edgenet.errors import EdgenetError

if TYPE_CHECKING:
    from edgenet.bench import Condition


class _Condition(click.ParamType):
    """What must not become worse, as in slower:5%."""

    name = "condition"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from edgenet.bench import Condition

        try:
            return Condition.parse(str(value))
        except EdgenetError as error:
            self.fail(str(error), param, ctx)


@click.command(cls=Command, short_help="Two results side by side.")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--json", "json_file", metavar="FILE", help="Write it as JSON; - for standard output.")
@click.option(
    "--fail-if", "conditions", multiple=True, type=_Condition(), metavar="WHAT:LIMIT",
    help="End with exit code 1 if any row is worse by more: slower:5%, larger:1%, loss:0.5%; repeatable.",
)  # fmt: skip
def compare(first: Path, second: Path, json_file: str | None, conditions: "tuple[Condition, ...]") -> None:
    """Compare two results with 95 % intervals: files that bench --json wrote, or run folders (their report.json).

    For CI: --fail-if slower:5% fails where SECOND is slower than FIRST by more than 5 % beyond doubt, that is, where
    the whole interval lies beyond; by the speedup over full where both have one, else by the latency. loss:0.5% does so
    for half a point of accuracy, larger:1% for the file. Of a microcontroller slower goes by instructions and larger by
    flash. Where one of the two results is not valid (disturbed, say), its times are not judged: the row does not count
    as slower, and a sentence on standard error says so.
    """
    from edgenet.bench import compare as compare_results
    from edgenet.bench import read_result
    from edgenet.report import comparison_table

    files = [path / "report.json" if path.is_dir() else path for path in (first, second)]
    comparison = compare_results(*map(read_result, files))
    if json_file:
        write_json(dataclasses.asdict(comparison), json_file)
    if json_file != "-":
        show(comparison_table(comparison, str(first), str(second)))
    if any(condition.kind == "slower" for condition in conditions):
        for row in comparison.rows:
            if doubt := row.doubt(str(first), str(second)):
                note(f"{row.label} was not judged by --fail-if slower: {doubt}; measure again on a quiet machine.")
    failures = [failure for condition in conditions for failure in condition.failures(comparison)]
    if failures:
        limits = ", ".join(condition.text for condition in conditions)
        raise EdgenetError(f"{second} fails against {first} (--fail-if {limits}): {'; '.join(failures)}.")
