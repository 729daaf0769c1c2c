"""The page's cards of bars: memory, and of emulated devices what they count and predict."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from edgenet.bench.devices.prediction import LABEL
from edgenet.report import cells, microcontroller

Group = dict[str, Any]
"""Bars on a scale of their own, under a name."""
Label = Callable[[Mapping[str, Any]], str]

_MEMORY = (
    ("file_bytes", "file"),
    ("weight_bytes", "weights"),
    ("activation_peak_bytes", "activations, at most"),
    ("rss_load_peak_bytes", "process while loading"),
    ("rss_run_bytes", "process while running"),
)
_OF_A_FILE = ("file_bytes", "weight_bytes")
_OF_A_PROCESS = ("rss_load_peak_bytes", "rss_run_bytes")
_OF_A_PART = (("flash_bytes", "flash"), ("ram_bytes", "RAM"), ("stack_bytes", "of it the stack"))
_SCALES = "Each group has a scale of its own."
_PROCESS = "Of a process: resident memory above one that has only imported ONNX Runtime."
_COUNTED = "Of one inference, counted in an emulator, which says nothing of time."
_PREDICTED = f"Of one inference: {LABEL} of the speed."


def cards(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the cards of one network, each with its title, groups and caption; none without bars."""
    label = labels(rows)
    if microcontroller.is_microcontroller(rows[0]):
        found = [row["microcontroller"] for row in rows]
        memory = [_group(name, rows, [each.get(key) for each in found], label) for key, name in _OF_A_PART]
        counts = [_group("", rows, [each["instructions"] for each in found], label, cells.count)]
        told = [("Memory", memory, _SCALES), ("Instructions", counts, _COUNTED)]
    else:
        process = any(row[key] for row in rows for key in _OF_A_PROCESS)
        told = [("Memory", _memory(rows, label), f"{_SCALES} {_PROCESS}" if process else _SCALES)]
        told += [("Cycles", _cycles(rows, label), f"{_PREDICTED} {_SCALES}")]
    return [
        {"title": title, "groups": full, "caption": caption}
        for title, groups, caption in told
        if (full := [group for group in groups if group["bars"]])
    ]


def _memory(rows: Sequence[Mapping[str, Any]], label: Label) -> list[Group]:
    groups = []
    for key, name in _MEMORY:
        if key in _OF_A_FILE:
            # What is a file's is told once a file.
            files = list({row["file"]: row for row in reversed(rows) if row[key] is not None}.values())[::-1]
            groups.append(_group(name, files, [row[key] for row in files], _file_label))
        else:
            groups.append(_group(name, rows, [row[key] for row in rows], label))
    return groups


def _cycles(rows: Sequence[Mapping[str, Any]], label: Label) -> list[Group]:
    emulated = {id(row): row["predicted"]["cores"] for row in rows if row["predicted"]}
    shown = [row for row in rows if id(row) in emulated]
    cores = dict.fromkeys(core for figures in emulated.values() for core in figures)
    return [
        _group(core, shown, [emulated[id(row)].get(core, {}).get("cycles") for row in shown], label, cells.count)
        for core in cores
    ]


def scheme(row: Mapping[str, Any]) -> str:
    """Return the scheme that a row is coloured by."""
    return row["scheme"] if row["scheme"] in ("full", "bwn", "xnor", "int8") else "other"


def labels(rows: Sequence[Mapping[str, Any]]) -> Label:
    """Return what tells one of a network's rows from the others: the device as well where they are of several."""
    several = len({row["device"] for row in rows}) > 1

    def label(row: Mapping[str, Any]) -> str:
        path = f" {row['path']}" if row["path"] != "plain" else ""
        return f"{_file_label(row)}{path}" + (f" on {row['device']}" if several else "")

    return label


def _file_label(row: Mapping[str, Any]) -> str:
    return str(row["scheme"] or row["model"])


def _group(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    values: Iterable[float | None],
    label: Label,
    write: Callable[[float | None], str] = cells.size,
) -> Group:
    """A bar for each row that has a value; none where all are nothing."""
    told = [(row, value) for row, value in zip(rows, values, strict=True) if value is not None]
    largest = max((value for _, value in told), default=0)
    bars = [
        {
            "label": label(row),
            "scheme": scheme(row),
            "text": write(value),
            "width": round(100 * value / largest, 2),
        }
        for row, value in told
        if largest
    ]
    return {"name": name, "bars": bars}
