"""`python -m benchmarks.growth`: time a multiply-add as threads, batch, image, channels or sequence grow.

Ours and ONNX Runtime's fp32 run in turns at each size, on one pinned thread; with `threads` on two cores. A cliff is a
size at which a multiply-add takes more than 1.5 times as long as at the next smaller one; all are listed at the end,
with their cause where it is known: values that no longer fit the cache.
Times are those of the fastest block; what looks like a cliff is measured again.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import numpy as np

from benchmarks.contenders import Contender, instruction_set, open_session, ort_fp32, own, runner
from benchmarks.growth.axes import AXES, THREADED, THREADS, Axis, cause, cliffs, last_level_cache
from benchmarks.growth.plot import label, plot
from benchmarks.interleaved import Call, measure, pinned
from benchmarks.layers import Layer, Scheme
from benchmarks.networks import FULL, SIZE, Variant, export_network
from benchmarks.study import ISAS, chosen_isas, write_plot
from edgenet.bench.machine import environment
from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.runtime import library
from edgenet.runtime.inspection import inspect

_SECONDS, _LIMIT = 1.0, 3.0
_QUICK_SECONDS, _QUICK_LIMIT = 0.15, 0.3
_CONFIRMATIONS = 2
Row = dict[str, Any]


class Line(NamedTuple):
    """An implementation whose points make a line."""

    implementation: str
    scheme: str
    activations: str | None
    isa: str | None


class Network(NamedTuple):
    """What `Layer` says of itself, of a whole network."""

    op: str
    shape: str
    macs: int
    value_bytes: int


_VARIANTS = (FULL, Variant("xnor", "int8"))
Points = Mapping[int, Mapping[Line, float]]


@click.command()
@click.option("--isa", type=click.Choice(ISAS), help="Another instruction set than the widest.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write rows and cliffs as JSON.")
@click.option("--plot", "plot_folder", type=click.Path(path_type=Path), help="Write a PNG an axis into a folder.")
@click.option("--quick", is_flag=True, help="Every other size, and a fraction of a second each.")
@click.option("--only", help="One axis: threads, batch, image, channels or sequence.")
def main(isa: str | None, json_file: Path | None, plot_folder: Path | None, quick: bool, only: str | None) -> None:
    """Measure how the cost of a multiply-add changes as work grows, and name the cliffs."""
    reason = library.why_portable()
    if reason:
        raise click.ClickException(reason)
    names = list(dict.fromkeys(["threads", *(axis.name for axis in AXES)]))
    if only and only not in names:
        raise click.ClickException(f"no axis is named {only!r}; there are {', '.join(names)}")
    stamp = environment(1)
    click.echo(", ".join(f"{key} {value}" for key, value in stamp.items() if value is not None) + "\n")
    click.echo("| grows | of | size | scheme | implementation | best, µs | ps a multiply-add |")
    click.echo("| --- | --- | ---: | --- | --- | ---: | ---: |")
    (chosen,) = chosen_isas(isa, widest_only=True)
    study = _Growth(chosen, quick)
    if only in (None, "threads"):
        study.threads()
        study.network()
    for axis in AXES:
        if only in (None, axis.name):
            study.axis(axis)
    found = _cliffs(study.rows)
    click.echo("\ncliffs (over 1.5 times the next smaller size, a multiply-add):" if found else "\nno cliffs")
    for cliff in found:
        click.echo(f"- {cliff['scheme']}: {cliff['subject']}, {cliff['text']}: {cliff['cause'] or 'cause unknown'}")
    for note in study.notes:
        click.echo(f"- left out: {note}")
    if json_file:
        content = {"environment": stamp, "rows": study.rows, "cliffs": found}
        write_whole(json_file, json.dumps(content, indent=2) + "\n")
    if plot_folder:
        plot_folder.mkdir(parents=True, exist_ok=True)
        for name in dict.fromkeys(row["axis"] for row in study.rows):
            own_rows = [row for row in study.rows if row["axis"] == name]
            write_plot(plot_folder / f"{name}.png", functools.partial(plot, own_rows, name))


class _Growth:
    """Measures and keeps the rows."""

    def __init__(self, isa: str, quick: bool) -> None:
        self._isa, self._quick = isa, quick
        self.rows: list[Row] = []
        self.notes: list[str] = []

    def axis(self, axis: Axis) -> None:
        """Measure a layer at every size on one thread."""
        with pinned() as cores:
            values = [*axis.values[:-1:2], axis.values[-1]] if self._quick else axis.values
            layers = {value: axis.layer(value) for value in values}
            points = {value: self._point(layer, cores) for value, layer in layers.items()}
            # What looks like a cliff is measured again, and again: it may have been somebody else's work.
            for _ in range(_CONFIRMATIONS):
                for value in _suspects(points, layers):
                    again = self._point(layers[value], cores)
                    points[value] = {key: min(best, again[key]) for key, best in points[value].items()}
            self._keep(axis.name, axis.subject, points, layers)

    def threads(self) -> None:
        """Measure layers on one thread and on two, where there are so many cores."""
        with pinned(max(THREADS)) as cores:
            for layer in THREADED:
                points = {threads: self._point(layer, cores[:threads]) for threads in THREADS[: len(cores)]}
                self._keep("threads", layer.name, points, dict.fromkeys(points, layer))

    def network(self) -> None:
        """Measure ResNet-18 at 224x224 on one thread and on two."""
        with TemporaryDirectory() as folder, pinned(max(THREADS)) as cores:
            try:
                files = {variant: export_network("resnet18", variant, Path(folder)).file for variant in _VARIANTS}
                counted = inspect(files[FULL])
                points = {
                    count: self._measure(self._sessions(files, cores[:count]), cores[:count]) for count in THREADS
                }
            except EdgenetError as error:
                self.notes.append(f"network resnet18: {error}")
                return
        network = Network("network", f"resnet18-{SIZE}", counted.macs or 0, 4 * 3 * SIZE**2)
        self._keep("threads", f"ResNet-18, {SIZE}x{SIZE}", points, dict.fromkeys(points, network))

    def _sessions(self, files: Mapping[Variant, Path], cores: Sequence[int]) -> dict[Line, Call]:
        feeds = {"input": np.random.default_rng(1).standard_normal((1, 3, SIZE, SIZE), np.float32)}
        calls = {}
        with instruction_set(self._isa):
            for variant, file in files.items():
                binary = variant != FULL
                session = open_session(file, True if binary else None, cores)
                line = Line("edgenet" if binary else "ort", variant.scheme, None, self._isa if binary else None)
                calls[line] = runner(session, feeds)
        return calls

    def _point(self, layer: Layer, cores: list[int]) -> dict[Line, float]:
        contenders = [contender for scheme in layer.schemes for contender in self._own(layer, scheme, cores)]
        contenders.append(ort_fp32(layer, cores))
        calls = {
            Line(contender.implementation, contender.scheme, contender.activations, contender.isa): contender.call
            for contender in contenders
        }
        return self._measure(calls, cores)

    def _measure(self, calls: Mapping[Line, Call], cores: list[int]) -> dict[Line, float]:
        """Return the microseconds of each implementation's fastest block."""
        seconds, limit = (_QUICK_SECONDS, _QUICK_LIMIT) if self._quick else (_SECONDS, _LIMIT)
        return {line: timing.best_us for line, timing in measure(calls, cores, seconds, limit).items()}

    def _own(self, layer: Layer, scheme: Scheme, cores: Sequence[int]) -> Sequence[Contender]:
        try:
            return [own(layer, scheme, self._isa, cores)]
        except EdgenetError as error:
            note = f"{layer.op} {scheme.label}: {error}"
            if note not in self.notes:
                self.notes.append(note)
            return []

    def _keep(self, axis: str, subject: str, points: Points, layers: Mapping[int, Layer | Network]) -> None:
        for value, times in points.items():
            for line, best_us in times.items():
                layer = layers[value]
                row: Row = {
                    "axis": axis,
                    "subject": subject,
                    "value": value,
                    "op": layer.op,
                    "shape": layer.shape,
                    "scheme": line.scheme,
                    "isa": line.isa,
                    "implementation": line.implementation,
                    "best_us": best_us,
                    "macs": layer.macs,
                    "ps_per_mac": best_us * 1e6 / layer.macs,
                    "value_bytes": layer.value_bytes,
                }
                if line.activations:
                    row["activations"] = line.activations
                self.rows.append(row)
                cells = [axis, subject, str(value), label(row), line.implementation, f"{best_us:.1f}"]
                click.echo("| " + " | ".join([*cells, f"{row['ps_per_mac']:.2f}"]) + " |")


def _suspects(points: Points, layers: Mapping[int, Layer]) -> set[int]:
    """Sizes that look like a cliff of any implementation."""
    values = list(points)
    lines = [[points[value][line] / layers[value].macs for value in values] for line in points[values[0]]]
    return {cliff.value for times in lines for cliff in cliffs(values, times)}


def _cliffs(rows: Sequence[Row]) -> list[dict[str, Any]]:
    lines: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        lines.setdefault((row["axis"], row["subject"], label(row)), []).append(row)
    found = []
    cache = last_level_cache()
    for (axis, subject, scheme), points in lines.items():
        for cliff in cliffs([row["value"] for row in points], [row["ps_per_mac"] for row in points]):
            text = f"{axis} {cliff.value}: {cliff.factor:.2f} times {cliff.smaller}"
            entry = {"axis": axis, "subject": subject, "scheme": scheme, "value": cliff.value}
            (moved,) = (row["value_bytes"] for row in points if row["value"] == cliff.value)
            why = cause(moved, cache)
            found.append({**entry, "smaller": cliff.smaller, "factor": cliff.factor, "text": text, "cause": why})
    return found


if __name__ == "__main__":
    main()
