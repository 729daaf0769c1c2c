"""`edgenet bench`: measure run folders and .onnx files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edgenet.cli.base import Command, need_page, need_training, note, progress, see_own_modules, show
from edgenet.cli.base import write_json as write_json_to
from edgenet.errors import EdgenetError

if TYPE_CHECKING:
    from edgenet.bench.devices.base import Device


@click.command(cls=Command, short_help="Measure run folders or any .onnx file.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "--device", "devices", multiple=True, default=["cpu"], show_default=True,
    help="Where to measure, see edgenet devices; several measure at the same time.",
)  # fmt: skip
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads within an operator.")
@click.option(
    "--min-runs", default=50, show_default=True, type=click.IntRange(1),
    help="Least runs of every row; on a microcontroller, the most samples that it runs.",
)  # fmt: skip
@click.option(
    "--min-seconds", default=3.0, show_default=True, type=click.FloatRange(0, min_open=True),
    help="Least time of every row's runs.",
)  # fmt: skip
@click.option("--input-shape", "shapes", multiple=True, metavar="NAME:SIZES", help="As input:1,3,224,224; repeatable.")
@click.option("--inputs", type=click.Path(path_type=Path), metavar="FILE.npz", help="Run on your own arrays, by name.")
@click.option(
    "--accuracy/--no-accuracy", default=True, show_default=True,
    help="Measure the task's metric on the samples.npz beside a file, on the device and in the same session.",
)  # fmt: skip
@click.option("--profile", is_flag=True, help="Show where the time goes, operator by operator.")
@click.option(
    "--quantize", type=click.Choice(["int8"]),
    help="Add ONNX Runtime's own 8-bit version of each full-precision file as a row.",
)  # fmt: skip
@click.option("--flash", metavar="SIZE", help="Of the microcontroller, as 256K; what needs more does not fit.")
@click.option("--ram", metavar="SIZE", help="Of the microcontroller, as 64K.")
@click.option("--json", "json_file", metavar="FILE", help="Write the result, plot beside it; - for standard output.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write the rows as a table.")
@click.option(
    "--robustness", is_flag=True,
    help="Also attack the networks of a run folder's checkpoints, a classifier of images (FGSM).",
)  # fmt: skip
@click.option("--model", help="package.module:factory of your own network, for --robustness.")
@click.option("--html", "html_file", metavar="FILE", help="Write one self-contained page: charts, tables, environment.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Compare with an earlier result of --json.")
def bench(
    paths: tuple[Path, ...],
    devices: tuple[str, ...],
    threads: int,
    min_runs: int,
    min_seconds: float,
    shapes: tuple[str, ...],
    inputs: Path | None,
    accuracy: bool,
    profile: bool,
    quantize: str | None,
    flash: str | None,
    ram: str | None,
    json_file: str | None,
    csv_file: str | None,
    html_file: str | None,
    robustness: bool,
    model: str | None,
    baseline: Path | None,
) -> None:
    """Measure size, memory, latency, speedup and accuracy of run folders or any .onnx files.

    Without PATH: the newest run under runs/, else ResNet-18 at 224x224 with untrained weights. Files of others run
    too: give open sizes with --input-shape, or real inputs with --inputs.

    Every network runs in a process of its own, all in turns, in five windows or more, each with new processes where
    --min-seconds is 0.5 or more. A latency is the median of the windows, and the 95 % interval of a speedup, or of the
    latency of a file that is compared with none, is over windows, which are added (up to 15) while it is wider than
    4 %. A row is marked ! where the interval is wider than 5 %, it was timed for less than asked for, or the machine
    was disturbed, busy with others or throttled; the note says why. Ctrl-C ends the timing early, on every device, and
    keeps what was measured. A device that fails is named at the end, with exit code 1, and the others' rows are kept.
    """
    from edgenet import bench as room

    # What cannot be written is said before minutes of measuring.
    for file in filter(None, (json_file, csv_file, html_file)):
        if file != "-" and (Path(file).is_dir() or not Path(file).parent.is_dir()):
            raise EdgenetError(f"{file} cannot be written; name a file in a folder that is there.")
    if json_file and Path(json_file).suffix == ".png":
        raise EdgenetError(f"{json_file} is where the plot would lie; name the result .json.")
    if html_file:
        need_page()
    before = room.read_result(baseline) if baseline else None
    places = [room.get_device(device, flash=flash, ram=ram) for device in dict.fromkeys(devices)]
    wanted = room.parse_shapes(shapes)
    if inputs and not inputs.is_file():
        raise EdgenetError(f"{inputs} is not a file; --inputs takes what numpy.savez(FILE, input=array) wrote.")
    _say_what_is_ignored(places)
    targets = list(paths) or [_default_target()]
    attacked = _attack(targets, model) if robustness else {}
    with progress() as report:
        result = room.run(
            targets, places, threads=threads, min_runs=min_runs, min_seconds=min_seconds, shapes=wanted,
            inputs=inputs, accuracy=accuracy, profile=profile, quantize=quantize,
            command=["edgenet", *sys.argv[1:]], progress=report,
        )  # fmt: skip
    for row in result["rows"]:
        # Of the checkpoint that the file was made of, and of no other file in the folder.
        row["robustness"] = attacked.get(row["scheme"]) if Path(row["file"]).stem == row["scheme"] else None
    if profile:
        _say_what_has_no_profile(result)
    _show(result, before, baseline, to_stderr=json_file == "-")
    _write(result, json_file, csv_file, html_file)
    for device, sentence in result["failures"].items():
        note(f"Error: {device} has no rows. {sentence}")
    if result["failures"]:
        sys.exit(1)


def _say_what_is_ignored(devices: "Sequence[Device]") -> None:
    """Note the options that were given and mean nothing on a device."""
    context = click.get_current_context()
    given = {parameter.name: parameter.opts[0] for parameter in context.command.params if parameter.name is not None}
    for device in devices:
        options = [
            given[name] for name in device.ignores
            if context.get_parameter_source(name) is not ParameterSource.DEFAULT
        ]  # fmt: skip
        if options:
            verb = "has" if len(options) == 1 else "have"
            note(f"{' and '.join(options)} {verb} no effect on {device.name}, where nothing is timed.")


def _say_what_has_no_profile(result: dict[str, Any]) -> None:
    """Note the files of which no profile could be made."""
    for file in dict.fromkeys(row["file"] for row in result["rows"] if row["profile"] is None):
        note(f"{file} has no profile: the copy that is profiled may have 2 GiB at most; profile a smaller version.")


def _attack(targets: list[Path], model: str | None) -> dict[str, dict[str, Any]]:
    """What `--robustness` finds, by scheme.

    Raises:
        EdgenetError: there is not one run folder whose networks can be attacked.
    """
    if len(targets) != 1 or not targets[0].is_dir():
        raise EdgenetError(
            "--robustness attacks the networks of one run folder with its checkpoints; name such a folder."
        )
    need_training()
    see_own_modules()
    from edgenet.analysis.robustness import measure_robustness
    from edgenet.training.networks import find_network

    note(f"Attacking the networks of {targets[0]}.")
    return measure_robustness(targets[0], find_network(model).factory if model else None)


def _default_target() -> Path:
    from edgenet.bench import newest_run

    newest = newest_run()
    if newest is not None:
        note(f"Measuring the newest run, {newest}.")
        return newest
    from edgenet.cli.untrained import export_untrained

    note("No run under runs/: measuring ResNet-18 at 224x224 with untrained weights, so without accuracy.")
    return export_untrained()


def _write(result: dict[str, Any], json_file: str | None, csv_file: str | None, html_file: str | None) -> None:
    from edgenet import bench as room
    from edgenet.report import plot, write_html

    if csv_file:
        room.write_csv(result, csv_file)
    if html_file:
        write_html(result, html_file)
        note(f"Wrote {html_file}.")
    if json_file:
        write_json_to(result, json_file)
    if json_file and json_file != "-" and any(row["accuracy"] for row in result["rows"]):
        picture = Path(json_file).with_suffix(".png")
        try:
            plot(result, picture)
            note(f"Wrote {json_file} and {picture}.")
        except EdgenetError as error:
            note(f"Wrote {json_file}, no plot: {error}")


def _show(result: dict[str, Any], before: dict[str, Any] | None, baseline: Path | None, to_stderr: bool) -> None:
    from edgenet.bench import compare
    from edgenet.report import comparison_table, profile_tables, table
    from edgenet.report.robustness import robustness_table

    show(table(result), to_stderr)
    for further in (profile_tables(result), robustness_table(result)):
        if further is not None:
            show(further, to_stderr)
    if before is not None:
        show(comparison_table(compare(before, result), str(baseline), "this run"), to_stderr)
