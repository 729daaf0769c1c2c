"""How a row's figures are written; the same in terminal and Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgenet.bench.results import folder
from edgenet.report import microcontroller
from edgenet.runtime.library import HOW_TO_GET_IT
from edgenet.tasks.measures import TOP1, get_measure

NOTHING = "-"
HEADINGS = ("scheme", "path", "size", "smaller", "memory", "latency", "faster", "accuracy", "loss")
# The same on every device.
_NOT_OF_DEVICES = "smaller"
EXPLANATION = (
    "size: of the file; memory: the highest resident set while loading and running, above a process that has only "
    "imported ONNX Runtime; latency: median of five windows or more; faster: over full, median of paired rounds with "
    "its 95 % interval; loss: what is lost against full, of fractions in points."
)


def size(bytes_: float | None) -> str:
    """Write a number of bytes with three digits and a decimal unit."""
    return NOTHING if bytes_ is None else _scaled(bytes_, ("B", "kB", "MB", "GB"))


def count(number: float | None) -> str:
    """Write a large number with three digits and k, M, G."""
    return NOTHING if number is None else _scaled(number, ("", "k", "M", "G", "T")).rstrip()


def milliseconds(value: float | None) -> str:
    """Write a time in ms, or in µs where it is short."""
    if value is None:
        return NOTHING
    return f"{_three_digits(value)} ms" if value >= 0.1 else f"{_three_digits(value * 1e3)} µs"


def factor(value: float | None) -> str:
    """Write a ratio, as in 3.62x."""
    return NOTHING if value is None else f"{_three_digits(value)}x"


def row(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a row's cells, one for each of HEADINGS; a row that is not valid has a mark that its note explains."""
    latency, speedup, accuracy = (result[key] or {} for key in ("latency_ms", "speedup", "accuracy"))
    ratio = (result["size_ratio"] or {}).get("value")
    memory = [value for value in (result["rss_load_peak_bytes"], result["rss_run_bytes"]) if value is not None]
    interval = f" {speedup['low']:.2f}–{speedup['high']:.2f}" if speedup else ""
    loss, measure = accuracy.get("loss_vs_full"), get_measure(accuracy["metric"]) if accuracy else None
    return (
        (result["scheme"] or NOTHING) + ("" if result["valid"] else " !"),
        result["path"] or NOTHING,
        size(result["file_bytes"]),
        factor(ratio),
        size(max(memory) if memory else None),
        milliseconds(latency.get("p50")),
        (f"{speedup['median']:.2f}x" if speedup else NOTHING) + interval,
        measure.write(accuracy["value"]) if measure else NOTHING,
        measure.write_loss(loss) if measure and loss is not None else NOTHING,
    )


def name(line: Mapping[str, Any]) -> str:
    """Return what tells a row in a sentence: its folder if that is needed, network, scheme and path."""
    place = f"{folder(line)}: " if folder(line) else ""
    return place + " ".join(str(line[key]) for key in ("model", "scheme", "path") if line[key])


def headings(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return HEADINGS, or those of a microcontroller; where the rows are of several devices the device instead of how
    much smaller a file is."""
    if microcontroller.is_microcontroller(rows[0]):
        return microcontroller.headings(rows)
    if len({row["device"] for row in rows}) == 1:
        return HEADINGS
    return ("device", *(name for name in HEADINGS if name != _NOT_OF_DEVICES))


def lines(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the rows' cells, one for each of `headings`; a device is named once, in its first row."""
    if microcontroller.is_microcontroller(rows[0]):
        return microcontroller.lines(rows)
    if headings(rows) == HEADINGS:
        return [row(each) for each in rows]
    skipped = HEADINGS.index(_NOT_OF_DEVICES)
    before = [None, *(each["device"] for each in rows)]
    return [
        ("" if each["device"] == last else _short(each["device"]), *cells[:skipped], *cells[skipped + 1 :])
        for each, last, cells in zip(rows, before[:-1], map(row, rows), strict=True)
    ]


def _short(device: str) -> str:
    """A device's name without the way to it, which the environment's stamp gives."""
    return device.rpartition("//")[2].removeprefix("adb:")


def explanations(result: Mapping[str, Any]) -> list[str]:
    """Return what the columns mean, of those tables that the result has."""
    kinds = {microcontroller.is_microcontroller(row) for row in result["rows"]} or {False}
    return [microcontroller.EXPLANATION if kind else EXPLANATION for kind in sorted(kinds)]


def title(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say which network, on which data, at which input, of rows that share them; and its folder, if that tells it."""
    first = rows[0]
    place = f"{folder(first)}: " if folder(first) else ""
    data = f" on {first['data']}" if first["data"] else ""
    metric = first["accuracy"]["metric"] if first["accuracy"] else TOP1
    measured = "" if metric == TOP1 else f", accuracy is {get_measure(metric).words}"
    return f"{place}{first['model']}{data}, input {'x'.join(map(str, first['input'] or []))}{measured}"


def environment_line(environment: Mapping[str, Any]) -> str:
    """Return the environment's stamp as one line."""
    threads = environment.get("threads")
    runtime = environment.get("onnxruntime")
    parts = [
        environment.get("cpu"),
        environment.get("isa"),
        f"{threads} thread{'s' if threads != 1 else ''}" if threads else None,
        f"ONNX Runtime {runtime}" if runtime else environment.get("compiler"),
        f"edgenet {environment.get('edgenet')}",
        _overhead(environment) if "connect_seconds" in environment else None,
    ]
    return ", ".join(str(part) for part in parts if part)


def _overhead(stamp: Mapping[str, Any]) -> str:
    sent = _scaled(stamp["sent_bytes"], ("B", "kB", "MB"))
    return f"{sent} sent, {stamp['connect_seconds']:.1f} s to connect, {stamp['launch_seconds']:.1f} s to launch"


def networks(result: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    """Return the rows by network, folder and input, in the order of the result; those of a device stay together."""
    groups: dict[tuple[object, ...], list[Mapping[str, Any]]] = {}
    for line in result["rows"]:
        key = (line["model"], folder(line), tuple(line["input"] or []), microcontroller.is_microcontroller(line))
        groups.setdefault(key, []).append(line)
    return list(groups.values())


def notes(result: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know beside the figures: doubts, what is slower than full, why nothing ran natively."""
    several = len(result["environments"]) > 1
    names = {id(line): name(line) + (f" on {line['device']}" if several else "") for line in result["rows"]}
    found = [f"! {names[id(line)]}: {'; '.join(line['flags'])}." for line in result["rows"] if line["flags"]]
    found += [
        f"{names[id(line)]} is slower than full: it takes {more}."
        for line in result["rows"]
        if (more := _more_than_full(line))
    ]
    for device, environment in result["environments"].items():
        paths = {line["path"] for line in result["rows"] if line["device"] == device}
        if "portable" not in paths or "native" in paths:
            continue
        if environment.get("operators"):
            found.append(
                f"The portable path ran on {device}: its ONNX Runtime {environment.get('onnxruntime')} took no native "
                "kernels; version 1.18 or newer does."
            )
        else:
            found.append(f"The portable path ran on {device}, without operator library; to get it, {HOW_TO_GET_IT}.")
    return found


def _more_than_full(line: Mapping[str, Any]) -> str | None:
    """Say how much more a row takes than full: time, of a microcontroller instructions, of an emulated core cycles as
    predicted; None where it does not, or may not."""
    if line["speedup"]:
        return f"{_times(line['speedup']['median'])} as long" if line["speedup"]["high"] < 1 else None
    fewer = (line["microcontroller"] or {}).get("instructions_ratio")
    if fewer:
        return f"{_times(fewer['value'])} as many instructions" if _below_one(fewer["value"]) else None
    cores = predicted_ratios(line).items()
    slower = [f"{_times(ratio)} as many cycles on {core}" for core, ratio in cores if _below_one(ratio)]
    return f"{' and '.join(slower)} (predicted)" if slower else None


def predicted_ratios(line: Mapping[str, Any]) -> dict[str, float]:
    """Return how many times as many cycles full takes, by core; {} of a row without predictions, or without full."""
    cores = (line["predicted"] or {}).get("cores", {})
    return {core: figures["full_over_this"] for core, figures in cores.items() if figures.get("full_over_this")}


def _times(ratio: float) -> str:
    return f"{_three_digits(1 / ratio)} times"


def _below_one(ratio: float) -> bool:
    """Whether a ratio still is below one as it is written."""
    return 1 / ratio >= 1.005


def _scaled(value: float, units: Sequence[str]) -> str:
    if abs(value) < 999.5 and value == int(value):
        return f"{value:.0f} {units[0]}"
    for unit in units[:-1]:
        if abs(value) < 999.5:
            return f"{_three_digits(value)} {unit}"
        value /= 1000
    return f"{_three_digits(value)} {units[-1]}"


def _three_digits(value: float) -> str:
    if abs(value) >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"
