"""Results as a Markdown table: mean over seeds, and their range."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from benchmarks.accuracy.targets import aim, status
from edgenet.tasks.measures import get_measure

Row = dict[str, Any]
_HEAD = (
    "| network | data | scheme | ends | metric | value | loss | file, kB | smaller | seeds | epochs | trained on "
    "| to reach | status |"
)
_RULE = "| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- | --- |"


def table(rows: Sequence[Row]) -> str:
    """Return a line a network, data set and scheme; a loss is how much worse than full, seed by seed.

    It is in points where the metric is a fraction, and in its own unit where it is none. Further test sets, such as
    longer strings than any in training, have lines of their own; what is to be reached is for the first alone.
    """
    lines = [_HEAD, _RULE]
    for key in dict.fromkeys((row["model"], row["data"], row["scheme"]) for row in rows):
        own = [row for row in rows if (row["model"], row["data"], row["scheme"]) == key]
        measure = get_measure(own[0]["metric"])
        factor = 100 if measure.fraction else 1
        cells = [
            *key, own[0]["ends"], own[0]["metric"],
            _spread([factor * row["value"] for row in own], " %" if measure.fraction else ""),
            "" if key[2] == "full" else _spread([factor * row["loss_vs_full"] for row in own]),
            f"{mean(row['file_bytes'] for row in own) / 1e3:.1f}",
            "" if key[2] == "full" else f"{mean(row['size_ratio'] for row in own):.1f}x",
            ", ".join(str(row["seed"]) for row in own),
            ", ".join(dict.fromkeys(str(row["epochs"]) for row in own)),
            ", ".join(dict.fromkeys(row["environment"]["trained_on"] for row in own)),
            aim(own),
            status(own, [row for row in rows if (row["model"], row["data"], row["scheme"]) == (*key[:2], "full")]),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
        for name in own[0].get("further", {}):
            own_further = [factor * row["further"][name] for row in own]
            cells = [key[0], f"{key[1]}, {name}", *key[2:], own[0]["ends"], own[0]["metric"]]
            cells += [_spread(own_further, " %" if measure.fraction else ""), *[""] * 6, "", "reported"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float], unit: str = "") -> str:
    """The mean, and the range where there are several."""
    text = f"{mean(values):.2f}{unit}"
    return text if len(values) == 1 else f"{text} ({min(values):.2f} to {max(values):.2f})"
