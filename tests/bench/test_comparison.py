"""Two results side by side: what cannot be judged, what a run has of its own, and devices without a clock."""

from typing import Any

import pytest

from edgenet import bench
from edgenet.bench.comparison import NOT_JUDGED, RowComparison
from tests.bench.test_results import result, row

DISTURBED = ["disturbed: only 3 of 10 rounds were quiet"]


def slow(**changes: Any) -> dict[str, Any]:
    """A row that takes twice as long as `row` does, with a speedup that says the same."""
    made = row("xnor", speedup={"over": "full", "median": 1.5, "low": 1.4, "high": 1.6}, **changes)
    made["latency_ms"].update(p50=2.0, mean=2.0)
    return made


def fast(**changes: Any) -> dict[str, Any]:
    return row("xnor", speedup={"over": "full", "median": 3.0, "low": 2.9, "high": 3.1}, **changes)


def compared(first: dict[str, Any], second: dict[str, Any]) -> RowComparison:
    (line,) = bench.compare(result(first), result(second)).rows
    return line


def verdicts(line: RowComparison) -> dict[str, str]:
    return {change.figure: change.verdict for change in line.changes}


def failures(condition: str, first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    read = bench.Condition.parse(condition)
    return read.failures(bench.compare(result(first), result(second)))


def test_times_of_a_result_that_is_not_valid_are_not_judged_and_sizes_and_answers_are() -> None:
    before, after = fast(), slow(valid=False, flags=DISTURBED, file_bytes=2000)
    assert verdicts(compared(before, slow()))["speedup"] == "worse"
    line = compared(before, after)
    assert verdicts(line) == {
        "file_bytes": "worse", "latency_ms.p50": NOT_JUDGED, "speedup": NOT_JUDGED, "accuracy": "same",
    }  # fmt: skip
    assert line.doubt("a.json", "b.json") == f"b.json is not valid ({DISTURBED[0]})"
    assert compared(after, before).doubt("a.json", "b.json") == f"a.json is not valid ({DISTURBED[0]})"
    assert compared(before, slow()).doubt("a.json", "b.json") is None


def test_what_is_not_judged_is_not_slower_but_may_be_larger() -> None:
    after = slow(valid=False, flags=DISTURBED, file_bytes=2000)
    assert failures("slower:5%", fast(), slow()) != []
    assert failures("slower:5%", fast(), after) == []
    assert failures("larger:5%", fast(), after) == ["net xnor plain is larger by 100.0%"]


BOARD = {
    "threads": 1, "load": 0.1, "connect_seconds": 0.5, "launch_seconds": 1.2, "sent_bytes": 9, "temperature_c": 40.0,
    "frequency_khz": 1_500_000, "memory_available_bytes": 7, "disk_free_bytes": 8, "governor": "performance",
}  # fmt: skip


def test_the_same_board_at_another_time_is_no_other_place() -> None:
    later = {key: value if isinstance(value, str) else value + 1 for key, value in BOARD.items()} | {"threads": 1}
    first, second = result(row("full"), **BOARD), result(row("full"), **later)
    assert bench.compare(first, second).environment == []
    second["environments"]["cpu"]["governor"] = "powersave"
    assert bench.compare(first, second).environment == ["cpu: governor was performance, is powersave"]


def on_cortex(**figures: Any) -> dict[str, Any]:
    found = {"flash_bytes": 14_000, "ram_bytes": 6_000, "instructions": 350_000} | figures
    return row("xnor", device="cortex-m4", path="c", latency_ms=None, microcontroller=found)


def test_flash_ram_and_instructions_of_microcontrollers_are_compared() -> None:
    line = compared(on_cortex(), on_cortex(flash_bytes=20_000, ram_bytes=5_000))
    assert verdicts(line) == {
        "file_bytes": "same", "microcontroller.flash_bytes": "worse", "microcontroller.ram_bytes": "better",
        "microcontroller.instructions": "same", "accuracy": "same",
    }  # fmt: skip
    assert "microcontroller.instructions" not in verdicts(compared(on_cortex(), on_cortex(instructions=None)))


def test_on_a_microcontroller_slower_means_more_instructions_and_larger_more_flash() -> None:
    more = on_cortex(instructions=385_000, flash_bytes=15_400)
    assert failures("slower:5%", on_cortex(), more) == ["net xnor c, by instructions, is slower by 10.0%"]
    assert failures("larger:5%", on_cortex(), more) == ["net xnor c, by flash, is larger by 10.0%"]
    assert failures("slower:11%", on_cortex(), more) == failures("larger:11%", on_cortex(), more) == []
    # The .onnx file is not what the part has to hold.
    assert failures("larger:1%", on_cortex(), {**on_cortex(), "file_bytes": 2000}) == []


def test_a_part_that_has_become_too_small_is_judged_all_the_same() -> None:
    larger = {**on_cortex(flash_bytes=300_000), "valid": False, "flags": ["does not fit: needs 300000 bytes of flash"]}
    assert failures("larger:5%", on_cortex(), larger) != []
    assert compared(on_cortex(), larger).doubt("a", "b") is None


def test_a_part_that_is_now_too_small_to_build_for_fails_the_check() -> None:
    reason = "does not fit the emulated board"
    gone = {**on_cortex(flash_bytes=None, instructions=None), "valid": False, "flags": [reason]}
    for condition, name in (("larger:5%", "flash"), ("slower:5%", "instructions")):
        (failure,) = failures(condition, on_cortex(), gone)
        assert failure.endswith(f"has no {name} any more: {reason}")


def predicted(cycles: float) -> dict[str, Any]:
    cores = {"cortex-a53": {"cycles": cycles}, "cortex-a72": {"cycles": 500.0}}
    return row("xnor", device="arm64", latency_ms=None, predicted={"label": "predicted", "cores": cores})


def test_predicted_cycles_are_compared_core_by_core() -> None:
    line = compared(predicted(1000.0), predicted(1200.0))
    assert {figure: verdict for figure, verdict in verdicts(line).items() if figure.startswith("predicted")} == {
        "predicted.cores.cortex-a53.cycles": "worse", "predicted.cores.cortex-a72.cycles": "same",
    }  # fmt: skip
    assert line.changes[1].ratio == pytest.approx(1.2)


def test_a_prediction_is_no_time_that_a_check_could_go_by() -> None:
    assert failures("slower:5%", predicted(1000.0), predicted(2000.0)) == [
        "slower:5%: no row has that figure in both results"
    ]
