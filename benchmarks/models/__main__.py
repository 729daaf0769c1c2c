"""`python -m benchmarks.models`: full sizes of all networks, a row each scheme, one after the other.

A JSON file a row goes to `runs/models`; what is there is not made again, so that an interrupted run goes on. Each row
has a process of its own, which ends where it takes more memory than it may.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from edgenet.errors import EdgenetError
from edgenet.models.catalog import get_entry, list_models

SCHEMES = ("full", "bwn", "xnor")
_HEADINGS = (
    "network", "scheme", "input", "parameters", "binary layers", "torch", "native", "portable", "file", "agreement",
    "memory",
)  # fmt: skip


@click.command()
@click.option("--only", "names", multiple=True, metavar="NAME", help="This network; repeatable. Default: all.")
@click.option("--memory", default=12.0, show_default=True, type=click.FloatRange(0, min_open=True), help="GB a row.")
@click.option("--results", type=click.Path(path_type=Path), default=Path("runs/models"), show_default=True)
@click.option("--again", is_flag=True, help="Also make the rows anew that are there.")
def main(names: tuple[str, ...], memory: float, results: Path, again: bool) -> None:
    """Build every network at full width and its published input in all schemes, run, export and compare it.

    Weights are untrained, so the agreement with torch is that of random samples by a milder rule; times are of one
    sample on one thread, of few runs.
    """
    try:
        chosen = [get_entry(name).name for name in names] or [entry.name for entry in list_models()]
    except EdgenetError as error:
        raise click.ClickException(str(error)) from error
    results.mkdir(parents=True, exist_ok=True)
    print("| " + " | ".join(_HEADINGS) + " |\n|---|---|---" + "|---:" * (len(_HEADINGS) - 3) + "|", flush=True)
    failed = 0
    for name in chosen:
        for scheme in SCHEMES:
            file = results / f"{name}-{scheme}.json"
            if again or not file.is_file():
                make_row(name, scheme, file, memory)
            row = json.loads(file.read_text())
            failed += "error" in row
            print(line(row), flush=True)
    if failed:
        raise click.ClickException(f"{failed} of {len(chosen) * len(SCHEMES)} rows failed: their lines say why.")


def make_row(name: str, scheme: str, file: Path, memory: float) -> None:
    """Run `benchmarks.models.row` and see that it stays below `memory` GB; its file says what became of it."""
    words = [sys.executable, "-m", "benchmarks.models.row", name, scheme, str(file)]
    file.unlink(missing_ok=True)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        reason = ""
        try:
            while process.poll() is None and not reason:
                time.sleep(0.1)
                if _resident_gigabytes(process.pid) > memory:
                    reason = f"took more than {memory:g} GB of memory"
        finally:
            process.kill()
        stderr = process.stderr.read() if process.stderr else ""
    if not file.is_file():
        reason = reason or (stderr.strip().splitlines() or ["ended without a word"])[-1]
        file.write_text(json.dumps({"model": name, "scheme": scheme, "error": reason}) + "\n")


def _resident_gigabytes(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    fields = [words.split() for words in status.splitlines() if words.startswith("VmRSS:")]
    return int(fields[0][1]) / 1e6 if fields else 0.0


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    if "error" in row:
        return f"| {row['model']} | {row['scheme']} | failed: {row['error']} |" + " |" * (len(_HEADINGS) - 3)
    times = row["ort_ms"] or {}
    cells = [
        row["model"], row["scheme"], "x".join(map(str, row["input"])), f"{row['parameters']:,}",
        str(row["binary_layers"]),
        f"{row['torch_ms']:.1f} ms", _time(times.get("native")), _time(times.get("portable", times.get("plain"))),
        f"{row['file_bytes'] / 1e6:.2f} MB",
        ", ".join(f"{path} {share:.1%}" for path, share in sorted(row["agreement"].items())),
        f"{row['peak_rss_bytes'] / 1e9:.1f} GB",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _time(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f} ms"


if __name__ == "__main__":
    main()
