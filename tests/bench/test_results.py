"""Result files: written, read back, refused when broken, flagged when doubtful, compared."""

import copy
import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest

from edgenet import bench
from edgenet.bench import results, statistics
from edgenet.bench.machine import BlockTimer, quiet_cores
from edgenet.bench.rounds import Track
from edgenet.errors import EdgenetError


def row(scheme: str, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = dict.fromkeys(results.ROW_KEYS)
    latency = {"load": 3.0, "first": 2.0, "mean": 1.0, "std": 0.1, "min": 0.9, "p50": 1.0, "p90": 1.1, "p99": 1.2}
    values.update(
        device="cpu", model="net", scheme=scheme, path="plain", file=f"{scheme}.onnx", file_bytes=1000, input=[1, 8],
        latency_ms={**latency, "runs": 100}, flags=[], valid=True,
        accuracy={"metric": "top1", "value": 0.9, "samples": 1000, "loss_vs_full": None},
    )  # fmt: skip
    return {**values, **changes}


def result(*rows: dict[str, Any], **environment: Any) -> dict[str, Any]:
    return results.new_result(list(rows), {"cpu": {"threads": 1, **environment}}, [], None)


def test_a_result_written_is_read_back(tmp_path: Path) -> None:
    written = result(row("full"), row("xnor"))
    bench.write_json(written, tmp_path / "result.json")
    assert bench.read_result(tmp_path / "result.json") == written


def test_a_csv_has_a_column_a_figure(tmp_path: Path) -> None:
    bench.write_csv(result(row("full"), row("xnor", flags=["disturbed"])), tmp_path / "result.csv")
    rows = list(csv.DictReader((tmp_path / "result.csv").read_text().splitlines()))
    assert [line["scheme"] for line in rows] == ["full", "xnor"]
    assert rows[0]["latency_ms.p50"] == "1.0"
    assert rows[0]["input"] == "[1, 8]"
    assert rows[1]["flags"] == '["disturbed"]'


def test_a_result_of_an_earlier_edgenet_is_read_with_what_it_lacks(tmp_path: Path) -> None:
    written = result(row("full"))
    del written["failures"], written["rows"][0]["rounds"], written["rows"][0]["conditions"]
    bench.write_json(written, tmp_path / "result.json")
    read = bench.read_result(tmp_path / "result.json")
    assert (read["failures"], read["rows"][0]["rounds"], read["rows"][0]["conditions"]) == ({}, None, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "is no result of edgenet"),
        ('{"schema": 1, "rows": [{"device": "cpu"}]}', "is no result of edgenet"),
        ('{"schema": 9, "rows": []}', "is of schema 9"),
    ],
)
def test_a_broken_result_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "broken.json").write_text(content)
    with pytest.raises(EdgenetError, match=message):
        bench.read_result(tmp_path / "broken.json")


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(EdgenetError, match=r"none\.json cannot be read"):
        bench.read_result(tmp_path / "none.json")


def track(blocks: list[list[float]], disturbed: int = 0, **least: float) -> Track:
    made = Track(**least)
    for number, block in enumerate(blocks):
        made.add(block, "the host took 30 ms" if number < disturbed else None, number * 5 // len(blocks))
    return made


def flags(made: Track) -> str:
    line = row("full")
    results.add_latency(line, made, 1.0, 1.0)
    results.judge_latency(line)
    return " ".join(line["flags"])


def test_a_quiet_and_long_run_has_no_flags() -> None:
    assert flags(track([[1.0, 1.1]] * 12)) == ""


def test_a_short_run_says_how_short() -> None:
    assert flags(track([[1.0]] * 12, min_runs=50)) == "too few runs: 12 of 50"
    assert flags(track([[1.0]] * 12, min_seconds=3)) == "too short: 0.012 of 3 seconds were timed"


def test_a_disturbed_run_says_by_what() -> None:
    assert flags(track([[1.0]] * 12, disturbed=6)).startswith("disturbed: only 6 of 12 rounds were quiet")
    assert "the host took 30 ms" in flags(track([[1.0]] * 12, disturbed=6))


def test_disturbed_blocks_do_not_count_where_enough_are_quiet() -> None:
    line = row("full")
    results.add_latency(line, track([[9.0]] * 5 + [[1.0]] * 10, disturbed=5), 1.0, 1.0)
    assert (line["latency_ms"]["mean"], line["latency_ms"]["runs"], line["flags"]) == (1.0, 10, [])


def in_company(*rounds: tuple[float, float]) -> Track:
    """Rounds of one latency each beside so many other cores at work, in five windows."""
    made = Track()
    for number, (latency, company) in enumerate(rounds):
        made.add([latency], None, number * 5 // len(rounds), company=company)
    return made


def test_rounds_beside_other_work_do_not_count_where_enough_had_the_machine_alone() -> None:
    assert in_company(*[(1.0, 0.1), (9.0, 1.0)] * 10).times_ms == [1.0] * 10
    line = row("xnor")
    full, fast = (in_company(*[(alone, 0.0), (beside, 1.0)] * 10) for alone, beside in ((8.0, 9.0), (1.0, 3.0)))
    results.add_comparison(line, fast, row("full"), full)
    assert line["speedup"]["median"] == pytest.approx(8)


def test_rounds_beside_other_work_count_where_too_few_had_the_machine_alone() -> None:
    few = [(1.0, 0.0)] * 4 + [(9.0, 1.0)] * 10
    assert sorted(in_company(*few).times_ms) == [1.0] * 4 + [9.0] * 10
    # Enough of them, but all in the first two windows: those of one moment say little of another.
    early = [(1.0, 0.0)] * 10 + [(9.0, 1.0)] * 15
    assert len(in_company(*early).times_ms) == 25


def test_rounds_beside_other_work_are_flagged_where_they_are_most_of_those_that_count() -> None:
    line = row("full")
    results.add_latency(line, in_company(*[(1.0, 0.1), (9.0, 1.0)] * 10), 1.0, 1.0)
    assert (line["rounds"], line["flags"]) == ({"measured": 20, "kept": 10, "alone": 10}, [])
    results.add_latency(line, in_company(*[(1.0, 0.0)] * 4 + [(1.0, 1.0)] * 10), 1.0, 1.0)
    assert line["rounds"] == {"measured": 14, "kept": 14, "alone": 4}
    assert line["flags"] == ["disturbed: other cores were at work beside 10 of the 14 rounds that count"]
    line = row("full")
    results.add_latency(line, in_company(*[(1.0, 0.0)] * 9 + [(1.0, 1.0)] * 5), 1.0, 1.0)
    assert (line["rounds"], line["flags"]) == ({"measured": 14, "kept": 14, "alone": 9}, [])


def test_a_speedup_over_rounds_beside_other_work_is_flagged_though_each_latency_had_enough_alone() -> None:
    line = row("xnor")
    full, fast = in_company(*[(8.0, 0.0), (8.0, 1.0)] * 10), in_company(*[(1.0, 1.0), (1.0, 0.0)] * 10)
    results.add_comparison(line, fast, row("full"), full)
    (flag,) = line["flags"]
    assert flag == "disturbed: other cores were at work beside 20 of the 20 rounds that count for the speedup"


def test_what_is_enough_to_stop_is_enough_for_a_row() -> None:
    made = in_company(*[(1.0, 0.0), (1.0, 1.0)] * 10)
    made.min_runs = 15
    # Ten rounds had the machine for themselves, which is too few runs, so the others count as well.
    assert made.enough
    line = row("full")
    results.add_latency(line, made, 1.0, 1.0)
    assert line["latency_ms"]["runs"] == 20
    assert not any(flag.startswith("too") for flag in line["flags"])
    made.min_runs = 21
    assert not made.enough


def test_a_latency_has_an_interval_over_windows_and_a_wide_one_is_flagged() -> None:
    line = row("full")
    for medians, expected in (([1.0, 1.01, 1.0, 0.99, 1.0], []), ([1.0, 1.1, 1.0, 0.9, 1.0], ["0.891 and 1.12 ms"])):
        made = track([[value] for value in medians for _ in range(3)])
        results.add_latency(line, made, 1.0, 1.0)
        results.judge_latency(line)
        latency = line["latency_ms"]
        middle, low, high = statistics.window_interval([[value] for value in latency["windows"]])
        assert (latency["p50"], latency["low"], latency["high"]) == (middle, low, high)
        assert low < middle < high
        assert line["flags"] == [f"wide interval: the latency lies between {between}" for between in expected]


def test_a_machine_that_slows_down_is_flagged() -> None:
    assert flags(track([[1.0]] * 6 + [[1.3]] * 6)).startswith("throttled")


def test_an_uncertain_speedup_is_flagged() -> None:
    line = row("xnor")
    slow, wobbling = track([[4.0]] * 15), track([[1.0]] * 6 + [[2.0]] * 9)
    results.add_comparison(line, wobbling, row("full"), slow)
    assert line["speedup"]["low"] < line["speedup"]["median"] < line["speedup"]["high"]
    assert line["flags"][0].startswith("wide interval")


def test_a_speedup_comes_from_the_rounds_in_which_both_were_quiet() -> None:
    line = row("xnor")
    full = track([[100.0]] * 3 + [[4.0]] * 10, disturbed=3)
    results.add_comparison(line, track([[1.0]] * 13), row("full"), full)
    assert line["speedup"]["median"] == pytest.approx(4)
    assert (line["speedup"]["low"], line["speedup"]["high"]) == pytest.approx((3.937, 4.064), abs=2e-3)
    assert line["flags"] == []


def test_a_measurement_cut_short_says_how_many_windows_it_had() -> None:
    made = Track()
    for _ in range(12):
        made.add([1.0], None, window=0)
    assert flags(made) == "interrupted: 1 of 5 windows were timed"


def test_energy_is_that_of_the_undisturbed_runs_and_null_without_a_meter() -> None:
    made, line = Track(), row("full")
    for number in range(15):
        made.add([1.0], "the host took 30 ms" if number < 3 else None, number // 3, 50.0 if number < 3 else 7.0)
    results.add_latency(line, made, 1.0, 1.0)
    assert line["energy_mj"] == 7
    results.add_latency(line, track([[1.0]] * 12), 1.0, 1.0)
    assert line["energy_mj"] is None


def test_a_speedup_without_enough_quiet_rounds_is_there_but_flagged() -> None:
    line = row("xnor")
    results.add_comparison(line, track([[1.0]] * 12), row("full"), track([[4.0]] * 12, disturbed=6))
    assert line["speedup"]["median"] == pytest.approx(4)
    assert line["flags"] == ["disturbed: in only 6 of 12 rounds were this and full both quiet"]


def test_runs_that_others_broke_into_are_dropped() -> None:
    timer = BlockTimer(quiet_cores(1), threads=1)
    pauses = iter([0, 0.05, 0, 0])

    def run() -> None:
        # Waiting looks to the timer just as being pushed aside does: wall time without processor time.
        time.sleep(next(pauses))
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass

    block = timer.run(run, 4)
    assert len(block.times_ms) <= 3 or block.disturbance
    assert block.disturbance or max(block.times_ms) < 50


def test_a_block_of_broken_runs_is_disturbed() -> None:
    block = BlockTimer(quiet_cores(1), threads=1).run(lambda: time.sleep(0.01), 4)
    assert len(block.times_ms) == 4
    assert block.disturbance is not None
    assert "4 of 4 runs" in block.disturbance or "the host took" in block.disturbance


def test_equal_results_show_no_change() -> None:
    one = result(row("full"), row("xnor", speedup={"over": "full", "median": 3.0, "low": 2.9, "high": 3.1}))
    verdicts = {c.verdict for line in bench.compare(one, copy.deepcopy(one)).rows for c in line.changes}
    assert verdicts <= {"same", "unclear"}


def test_a_faster_smaller_and_worse_result_is_told_apart() -> None:
    before = row("xnor", speedup={"over": "full", "median": 3.0, "low": 2.9, "high": 3.1})
    after = copy.deepcopy(before)
    after.update(file_bytes=500, speedup={"over": "full", "median": 4.0, "low": 3.8, "high": 4.2})
    after["latency_ms"].update(mean=0.5, p50=0.5)
    after["accuracy"]["value"] = 0.8
    (line,) = bench.compare(result(before), result(after)).rows
    verdicts = {change.figure: change.verdict for change in line.changes}
    assert verdicts == {"file_bytes": "better", "latency_ms.p50": "better", "speedup": "better", "accuracy": "worse"}


def test_rows_of_one_result_only_and_other_machines_are_named() -> None:
    comparison = bench.compare(result(row("full"), isa="avx2"), result(row("xnor"), isa="avx512"))
    assert [(line.label, line.only_in) for line in comparison.rows] == [
        ("net full plain", "first"),
        ("net xnor plain", "second"),
    ]
    assert comparison.environment == ["cpu: isa was avx2, is avx512"]


def test_a_result_is_json_that_others_can_read(tmp_path: Path) -> None:
    bench.write_json(result(row("full")), tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text())["rows"][0]["scheme"] == "full"
