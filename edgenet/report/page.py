"""The result as one page that needs nothing else: no script, no font, no picture from elsewhere."""

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgenet.bench.statistics import QUANTILES
from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.report import bubbles, cells, microcontroller, predictions, profile
from edgenet.report.bars import Label, cards, labels, scheme
from edgenet.report.robustness import NOTE, attacked
from edgenet.tasks.measures import get_measure

# Beyond this ratio of longest to shortest a linear scale hides the short ones.
_LOGARITHMIC = 8.0
_LAYERS = 12

Figure = tuple[str, str, bool]
"""A number, what it is, and whether it is a loss where a gain was hoped for."""


def write_html(result: Mapping[str, Any], path: str | Path) -> None:
    """Write the page that `html` makes.

    Raises:
        EdgenetError: jinja2 is missing.
    """
    write_whole(path, html(result))


def html(result: Mapping[str, Any]) -> str:
    """Return a page of the result: chart, tables, distributions of latency, memory, what emulators count and predict,
    layers, accuracy under attack, environments.

    Args:
        result: as `edgenet.bench.run` returns it.

    Raises:
        EdgenetError: jinja2 is missing.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise EdgenetError("The page needs jinja2; get it with pip install '.[html]' in a clone of edgenet.") from error
    environment = Environment(
        loader=PackageLoader("edgenet.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    models = list(dict.fromkeys(row["model"] for row in result["rows"]))
    return environment.get_template("page.html.j2").render(
        title=", ".join(models),
        created=result["created"].replace("T", " ").replace("+00:00", " UTC"),
        command=shlex.join(result["command"]),
        seed=result["seed"],
        explanations=cells.explanations(result),
        about_predictions=predictions.EXPLANATION,
        notes=cells.notes(result),
        chart=bubbles.chart(result["rows"]),
        plane=bubbles,
        about_attacks=NOTE,
        networks=[_network(rows) for rows in cells.networks(result)],
        environments=[
            (device, [(key, value) for key, value in stamp.items() if value is not None and key != "features"])
            for device, stamp in result["environments"].items()
        ],
    )


def _network(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    label = labels(rows)
    return {
        "title": cells.title(rows),
        "devices": ", ".join(dict.fromkeys(row["device"] for row in rows)),
        "headlines": [headline for row in rows if (headline := _headline(row, label))],
        "table": _table(rows, cells.headings(rows), cells.lines(rows)),
        "predictions": _predictions([row for row in rows if row["predicted"]]),
        "latency": _latency(rows, label),
        "figures": cards(rows),
        "profiles": [_profile(row, label) for row in rows if row["profile"]],
        "attacked": attacked(rows),
    }


def _table(
    rows: Sequence[Mapping[str, Any]], headings: Sequence[str], lines: Sequence[Sequence[str]]
) -> dict[str, Any]:
    return {
        "headings": headings,
        "rows": [
            {"cells": list(zip(headings, line, strict=True)), "scheme": scheme(row), "valid": row["valid"]}
            for row, line in zip(rows, lines, strict=True)
        ],
    }


def _predictions(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    return _table(rows, predictions.headings(rows), predictions.lines(rows)) if rows else None


def _headline(row: Mapping[str, Any], label: Label) -> dict[str, Any] | None:
    """What a compressed network gains and loses, in three figures."""
    figures = [*_speed(row), *_size(row)]
    if not figures:
        return None
    loss = (row["accuracy"] or {}).get("loss_vs_full")
    if loss is not None:
        measure = get_measure(row["accuracy"]["metric"])
        unit = ("points " if measure.fraction else "") + ("lost" if loss > 0 else "gained")
        figures.append((measure.write_loss(abs(loss)), unit, False))
    return {"label": label(row), "scheme": scheme(row), "figures": figures, "valid": row["valid"]}


def _speed(row: Mapping[str, Any]) -> list[Figure]:
    """How many times as fast as full a row is; of emulated devices by what they count or predict."""
    if row["speedup"]:
        slower = row["speedup"]["high"] < 1
        ratio = row["speedup"]["median"]
        return [(cells.factor(1 / ratio if slower else ratio), "as long" if slower else "as fast", slower)]
    if microcontroller.is_microcontroller(row):
        return _fewer(row["microcontroller"].get("instructions_ratio"), "fewer instructions", "as many instructions")
    ratios = cells.predicted_ratios(row)
    if not ratios:
        return []
    # The core that gains least; the table has all.
    core = min(ratios, key=ratios.__getitem__)
    return _fewer({"value": ratios[core]}, f"fewer cycles on {core}, predicted", f"as many cycles on {core}, predicted")


def _size(row: Mapping[str, Any]) -> list[Figure]:
    """How many times smaller than full a row's file is; on a microcontroller its program."""
    if microcontroller.is_microcontroller(row):
        return _fewer(row["microcontroller"].get("flash_ratio"), "smaller in flash", "as much flash")
    return [(cells.factor(row["size_ratio"]["value"]), "smaller", False)] if row["size_ratio"] else []


def _fewer(ratio: Mapping[str, Any] | None, fewer: str, more: str) -> list[Figure]:
    if not ratio:
        return []
    value = ratio["value"]
    return [(cells.factor(value), fewer, False) if value >= 1 else (cells.factor(1 / value), more, True)]


def _latency(rows: Sequence[Mapping[str, Any]], label: Label) -> dict[str, Any] | None:
    """Distributions as boxes on one scale, in per cent of its width."""
    told = [row for row in rows if row["latency_ms"] and row["latency_ms"].get("quantiles")]
    if not told:
        return None
    at = {percentage: number for number, percentage in enumerate(QUANTILES)}
    spans = [[row["latency_ms"]["quantiles"][at[p]] for p in (5, 25, 50, 75, 95)] for row in told]
    low, high = min(span[0] for span in spans), max(span[-1] for span in spans)
    logarithmic = high / low > _LOGARITHMIC
    if not logarithmic:
        low = 0.0
    else:
        low, high = low / 1.2, high * 1.2

    def place(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if logarithmic else value / high
        return round(100 * share, 2)

    marks = bubbles.decades(low, high) if logarithmic else [mark for mark, _ in bubbles.steps(low, high, 3)]
    return {
        "logarithmic": logarithmic,
        "marks": [(place(mark), cells.milliseconds(mark) if mark else "0") for mark in marks],
        "rows": [
            {
                "label": label(row),
                "scheme": scheme(row),
                "median": cells.milliseconds(row["latency_ms"]["p50"]),
                "places": [place(value) for value in span],
                "told": ", ".join(
                    f"{name} {cells.milliseconds(row['latency_ms'][key])}"
                    for key, name in (
                        ("load", "load"), ("first", "first run"), ("min", "least"), ("mean", "mean"), ("p90", "p90"),
                        ("p99", "p99"),
                    )
                ) + f", {row['latency_ms']['runs']} runs",
                "more": _more(row),
            }
            for row, span in zip(told, spans, strict=True)
        ],
    }  # fmt: skip


def _more(row: Mapping[str, Any]) -> str:
    parts = []
    if row["throughput_per_s"]:
        parts.append(f"{cells.count(row['throughput_per_s'])} a second")
    if row["energy_mj"] is not None:
        parts.append(f"{row['energy_mj']:.3g} mJ a run")
    return ", ".join(parts)


def _profile(row: Mapping[str, Any], label: Label) -> dict[str, Any]:
    layers = profile.slowest(row["profile"], _LAYERS)
    longest = max(layer["ms"] for layer in layers) or 1.0
    return {
        "label": label(row),
        "layers": [
            {
                "name": layer["layer"],
                "operator": layer["operator"],
                "time": cells.milliseconds(layer["ms"]),
                "share": f"{layer['share']:.1%}",
                "width": round(100 * layer["ms"] / longest, 2),
                "kind": _kind(layer["precision"]),
                "told": _told(layer),
            }
            for layer in layers
        ],
    }


def _kind(precision: str | None) -> str:
    if precision is None:
        return "other"
    weight = precision.partition("x")[0]
    return {"1": "xnor" if precision == "1x1" else "bwn", "8": "int8"}.get(weight, "full")


def _told(layer: Mapping[str, Any]) -> str:
    parts = [
        f"{layer['precision']} bits" if layer["precision"] else "",
        cells.size(layer["weight_bytes"]) if layer["weight_bytes"] else "",
        f"{profile.work(layer)} multiply-adds" if layer["macs"] or layer["binary_macs"] else "",
        f"with {', '.join(profile.inside(layer))}" if profile.inside(layer) else "",
    ]
    return "; ".join(part for part in parts if part)
