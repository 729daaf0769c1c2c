"""`python -m benchmarks.kernels`: single operators against ONNX Runtime's fp32 of the same shape, one pinned thread.

Prints a Markdown table with the environment it was measured in. A ratio is the peer's time over ours.
"""

import functools
import json
import os
from pathlib import Path
from typing import Any

import click

from benchmarks.cases import Case, cases
from benchmarks.interleaved import MIN_PAIRS, Timing, measure, pinned

_SECONDS, _QUICK_SECONDS = 4.0, 1.0


@click.command()
@click.option("--isa", type=click.Choice(["scalar", "avx2", "avx512"]), help="Force an instruction set.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the rows as JSON.")
@click.option("--quick", is_flag=True, help="A second a case instead of four.")
@click.option("--only", help="Cases whose name contains this, for example conv3x3 or linear-4096-bwn.")
def main(isa: str | None, json_file: Path | None, quick: bool, only: str | None) -> None:
    """Measure every operator kernel against ONNX Runtime's fp32."""
    if isa:
        # Every session made after this has kernels of that set.
        os.environ["EDGENET_ISA"] = isa
    from edgenet.bench.machine import environment
    from edgenet.runtime import library

    reason = library.why_portable()
    if reason:
        raise click.ClickException(reason)
    makers = {name: make for name, make in cases().items() if not only or only in name}
    if not makers:
        raise click.ClickException(f"No case is named like {only!r}; there are {', '.join(cases())}.")
    stamp = environment(1)
    click.echo(", ".join(f"{key} {value}" for key, value in stamp.items() if value is not None) + "\n")
    click.echo("| operator | shape | scheme | edgenet, µs | ORT fp32, µs | faster | 95 % | quiet rounds |")
    click.echo("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    rows, disturbed = [], False
    with pinned() as core:
        for make in makers.values():
            case = make()
            ours, fp32 = _measure(case, core, _QUICK_SECONDS if quick else _SECONDS)
            rows += _rows(case, ours, fp32, str(stamp["isa"]))
            click.echo(_line(case, ours, fp32))
            disturbed = disturbed or ours.disturbed(fp32)
    if disturbed:
        click.echo(
            f"\n! fewer than {MIN_PAIRS} rounds were quiet: the ratio is that of all rounds; run it on an idle machine."
        )
    if json_file:
        json_file.write_text(json.dumps({"environment": stamp, "rows": rows}, indent=2) + "\n")


def _measure(case: Case, core: int, seconds: float) -> tuple[Timing, Timing]:
    from edgenet.runtime import InferenceSession

    ours = InferenceSession(case.model, native=True).ort.run
    fp32 = InferenceSession(case.reference).ort.run
    calls = {
        "edgenet": functools.partial(ours, None, case.feeds),
        "ort": functools.partial(fp32, None, case.feeds),
    }
    timings = measure(calls, core, seconds)
    return timings["edgenet"], timings["ort"]


def _rows(case: Case, ours: Timing, fp32: Timing, isa: str) -> list[dict[str, Any]]:
    common = {"op": case.op, "shape": case.shape, "from": "float", "to": "float", "of_roofline": None}
    return [
        {
            **common, "scheme": case.scheme, "isa": isa, "implementation": "edgenet",
            "median_us": ours.median_us, "ratios": {"ort-fp32": ours.ratio_of(fp32)},
        },
        {
            **common, "scheme": "full", "isa": None, "implementation": "ort",
            "median_us": fp32.median_us, "ratios": {},
        },
    ]  # fmt: skip


def _line(case: Case, ours: Timing, fp32: Timing) -> str:
    ratio = ours.ratio_of(fp32)
    quiet = f"{len(ours.quiet_rounds(fp32))} of {len(ours.blocks)}{' !' if ours.disturbed(fp32) else ''}"
    return (
        f"| {case.op} | {case.shape} | {case.scheme} | {ours.median_us:.0f} | {fp32.median_us:.0f} "
        f"| {ratio['median']:.2f}x | {ratio['low']:.2f}–{ratio['high']:.2f} | {quiet} |"
    )


if __name__ == "__main__":
    main()
