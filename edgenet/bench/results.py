"""The result file: every key always there, null where it does not apply (DESIGN.md)."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgenet.bench import statistics
from edgenet.bench.rounds import WIDE, WINDOWS, Track, pair
from edgenet.bench.targets import Target
from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.runtime.inspection import inspect
from edgenet.tasks.measures import get_measure

SCHEMA = 1
# Keys that earlier results of this schema lack.
_ADDED = {"robustness", "rounds", "conditions"}
_THROTTLED = 1.10

ROW_KEYS = (
    "device", "model", "task", "data", "input", "scheme", "ends", "path", "file",
    "file_bytes", "weight_bytes", "activation_peak_bytes", "rss_load_peak_bytes", "rss_run_bytes",
    "parameters", "binary_parameters", "macs", "binary_macs", "operations",
    "latency_ms", "throughput_per_s", "rounds", "speedup", "size_ratio", "accuracy", "verified", "robustness",
    "profile", "energy_mj", "predicted", "microcontroller", "conditions", "valid", "flags",
)  # fmt: skip


def new_result(
    rows: list[dict[str, Any]],
    environments: Mapping[str, object],
    command: list[str],
    seed: int | None,
    failures: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a result with its date and schema; `failures` says by device why one has no rows."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "schema": SCHEMA,
        "created": created,
        "command": command,
        "seed": seed,
        "environments": dict(environments),
        "failures": dict(failures or {}),
        "rows": rows,
    }


def static_row(device: str, target: Target) -> dict[str, Any]:
    """Return a row with what is known of a file before it has run."""
    row: dict[str, Any] = dict.fromkeys(ROW_KEYS)
    inspection = target.inspection
    row.update(
        device=device,
        model=target.model,
        scheme=target.scheme,
        file=target.name,
        file_bytes=sum(map(file_bytes, target.files)),
        weight_bytes=inspection.weight_bytes,
        parameters=inspection.parameters,
        binary_parameters=inspection.binary_parameters,
        macs=inspection.macs,
        binary_macs=inspection.binary_macs,
        operations=inspection.operations,
        valid=True,
        flags=[],
    )
    row.update({key: target.metadata(key) for key in ("task", "data", "ends")})
    return row


def add_work(row: dict[str, Any], target: Target, shapes: Mapping[str, list[int]] | None) -> None:
    """Count multiply-adds at the shapes that were run, where the file leaves them open."""
    if row["macs"] is not None or shapes is None or target.encoder is not None:
        return
    inspection = inspect(target.file, shapes)
    row.update({key: getattr(inspection, key) for key in ("macs", "binary_macs", "operations")})


def folder(row: Mapping[str, Any]) -> str:
    """Return the folder that tells a row's file from those of the same name; empty where none needs to."""
    return str(row["file"]).rpartition("/")[0]


def file_bytes(file: Path) -> int:
    """Return the size of an .onnx file, with the files beside it that hold its weights if it has such.

    Raises:
        EdgenetError: one of these is missing.
    """
    outside = external_files(file)
    for name in outside:
        if not (file.parent / name).is_file():
            raise EdgenetError(f"{file} keeps its weights in {file.parent / name}, which is not there.")
    return file.stat().st_size + sum((file.parent / name).stat().st_size for name in outside)


def external_files(file: Path) -> set[str]:
    """Return the names of the files beside an .onnx file that hold its weights."""
    import onnx
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    graph = onnx.load(file, load_external_data=False).graph
    return {ExternalDataInfo(tensor).location for tensor in graph.initializer if uses_external_data(tensor)}


def add_latency(row: dict[str, Any], track: Track, load_ms: float, first_ms: float) -> None:
    """Add latencies in milliseconds, throughput and numbers of rounds to a row, and flag what makes them doubtful.

    `low` and `high` are the 95 % interval of the median, `p50`.
    """
    times = track.times_ms
    summary = statistics.summarize(track.windows_ms)
    _, low, high = track.interval_ms
    row["latency_ms"] = {"load": load_ms, "first": first_ms, **summary, "low": low, "high": high, "runs": len(times)}
    kept = sum(track.kept)
    row["rounds"] = {"measured": len(track.blocks), "kept": kept, "alone": sum(track.alone)}
    row["throughput_per_s"] = 1e3 * (row["input"] or [1])[0] / float(np.mean(times))
    row["energy_mj"] = track.energy_mj
    flags = row["flags"]
    if len(set(track.windows)) < WINDOWS:
        flags.append(f"interrupted: {len(set(track.windows))} of {WINDOWS} windows were timed")
    if not track.usable:
        reason = next((f", for example {reason}" for reason in track.disturbances if reason), "")
        flags.append(f"disturbed: only {len(track.clean)} of {len(track.blocks)} rounds were quiet{reason}")
    if _mostly(track.accompanied, kept):
        flags.append(f"disturbed: other cores were at work beside {track.accompanied} of the {kept} rounds that count")
    if len(times) < track.min_runs:
        flags.append(f"too few runs: {len(times)} of {track.min_runs}")
    if sum(times) < track.min_seconds * 1e3:
        flags.append(f"too short: {sum(times) / 1e3:.2g} of {track.min_seconds:g} seconds were timed")
    third = len(track.clean) // 3
    if track.usable and third:
        medians = [median(block) for block in track.clean]
        drift = median(medians[-third:]) / median(medians[:third])
        if drift > _THROTTLED:
            flags.append(
                f"throttled or crowded: the last third of the rounds ran {drift:.2f} times as long as the first"
            )


def _mostly(accompanied: int, rounds: int) -> bool:
    """Whether other cores worked beside most rounds: a median leaves out what befalls the fewer."""
    return 2 * accompanied > rounds


def judge_latency(row: dict[str, Any]) -> None:
    """Flag a latency whose interval is wide, of a row that has no part in a speedup, which would be judged instead."""
    latency = row["latency_ms"]
    if (latency["high"] - latency["low"]) / 2 > WIDE * latency["p50"]:
        between = f"{latency['low']:.3g} and {latency['high']:.3g} ms"
        row["flags"].append(f"wide interval: the latency lies between {between}")


def add_comparison(row: dict[str, Any], track: Track, full: dict[str, Any], full_track: Track) -> None:
    """Add speedup, size ratio and loss over the full-precision row of the same run."""
    add_losses(row, full)
    pairs = pair(full_track, track)
    middle, low, high = statistics.window_interval(pairs.ratios)
    windows = [median(ratios) for ratios in pairs.ratios]
    row["speedup"] = {"over": "full", "median": middle, "low": low, "high": high, "windows": windows}
    if not pairs.usable and track.usable:
        row["flags"].append(f"disturbed: in only {pairs.clean} of {pairs.rounds} rounds were this and full both quiet")
    compared = sum(map(len, pairs.ratios))
    if _mostly(pairs.accompanied, compared) and not _mostly(track.accompanied, sum(track.kept)):
        row["flags"].append(
            f"disturbed: other cores were at work beside {pairs.accompanied} of the {compared} rounds that count for "
            "the speedup"
        )
    if (high - low) / 2 > WIDE * middle:
        row["flags"].append(f"wide interval: the speedup lies between {low:.2f} and {high:.2f}")


def add_losses(row: dict[str, Any], full: dict[str, Any]) -> None:
    """Add size ratio and loss over the full-precision row of the same run."""
    row["size_ratio"] = {"over": "full", "value": full["file_bytes"] / row["file_bytes"]}
    if row["accuracy"] and full["accuracy"]:
        measure = get_measure(row["accuracy"]["metric"])
        row["accuracy"]["loss_vs_full"] = measure.loss(full["accuracy"]["value"], row["accuracy"]["value"])


def read_result(path: str | Path) -> dict[str, Any]:
    """Read a result file.

    Raises:
        EdgenetError: it is missing, no JSON, no result of ours, or of a newer schema.
    """
    try:
        result = json.loads(Path(path).read_text())
    except OSError as error:
        raise EdgenetError(
            f"{path} cannot be read ({error.strerror}); name a result that edgenet bench --json wrote."
        ) from error
    except ValueError as error:
        raise EdgenetError(f"{path} is no JSON ({error}); name a result that edgenet bench --json wrote.") from error
    rows = result.get("rows") if isinstance(result, dict) else None
    needed = set(ROW_KEYS) - _ADDED
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= needed for row in rows):
        raise EdgenetError(f"{path} is no result of edgenet; name one that edgenet bench --json wrote.")
    if result.get("schema") != SCHEMA:
        raise EdgenetError(f"{path} is of schema {result.get('schema')}; this edgenet reads schema {SCHEMA}.")
    for row in rows:
        row |= {key: None for key in _ADDED if key not in row}
    result.setdefault("failures", {})
    return result


def write_json(result: Mapping[str, Any], path: str | Path) -> None:
    """Write a result file, indented."""
    write_whole(path, json.dumps(result, indent=2) + "\n")


def write_csv(result: Mapping[str, Any], path: str | Path) -> None:
    """Write the rows as a table, nested keys joined by dots; lists as JSON."""
    rows = [_flat(row) for row in result["rows"]]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, stream.getvalue())


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = json.dumps(value) if isinstance(value, list) else value
    return flat
