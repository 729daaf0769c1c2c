"""What may change on a machine while it measures, read from the kernel's files as they are on machines of all kinds."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgenet.bench.health import Clock, Health

CORE = max(os.sched_getaffinity(0))
QUIET = Health({0: Clock("schedutil", 1_500_000), 4: Clock("performance", 2_400_000)}, 0, False, 50.0, 0.1)


def put(system: Path, path: str, text: object) -> None:
    file = system / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def put_clock(system: Path, core: int, governor: str, limit: object, frequency: int) -> None:
    folder = f"devices/system/cpu/cpu{core}/cpufreq"
    put(system, f"{folder}/scaling_governor", governor)
    put(system, f"{folder}/scaling_max_freq", limit)
    put(system, f"{folder}/scaling_cur_freq", frequency)


def put_brake(system: Path, number: int, kind: str, state: int, transitions: int | None = None) -> None:
    folder = f"class/thermal/cooling_device{number}"
    put(system, f"{folder}/type", kind)
    put(system, f"{folder}/cur_state", state)
    if transitions is not None:
        put(system, f"{folder}/stats/total_trans", transitions)


def test_a_clock_is_that_of_the_core_and_not_of_the_first(tmp_path: Path) -> None:
    put_clock(tmp_path, CORE, "performance", 2_400_000, 2_300_000)
    put_clock(tmp_path, 0, "powersave", 1_500_000, 600_000) if CORE else None
    assert Health.now(tmp_path).clock(CORE) == Clock("performance", 2_400_000, 2_300_000)


def test_a_core_without_a_clock_of_its_own_has_the_first_ones(tmp_path: Path) -> None:
    put_clock(tmp_path, 0, "powersave", "<unsupported>", 600_000)
    health = Health.now(tmp_path)
    assert health.clock(CORE) == health.clock(12345) == health.clock(None) == Clock("powersave", None, 600_000)


def test_of_a_machine_that_shows_nothing_nothing_is_told(tmp_path: Path) -> None:
    health = Health.now(tmp_path)
    assert health.clocks.keys() == os.sched_getaffinity(0)
    assert health.clock(CORE) == Clock(None, None, None)
    assert (health.throttle_count, health.throttled, health.temperature_c) == (0, False, None)


def test_throttling_is_counted_by_cores_by_cooling_devices_and_by_a_raspberry_pis_firmware(tmp_path: Path) -> None:
    for core in (0, 1):
        put(tmp_path, f"devices/system/cpu/cpu{core}/thermal_throttle/core_throttle_count", 3)
    assert Health.now(tmp_path).throttle_count == 6
    put_brake(tmp_path, 0, "cpufreq-cpu0", 0, transitions=4)
    put_brake(tmp_path, 1, "pwm-fan", 3, transitions=50)
    assert (Health.now(tmp_path).throttle_count, Health.now(tmp_path).throttled) == (10, False)
    # Was under voltage and throttled once, and is not now.
    put(tmp_path, "devices/platform/soc/soc:firmware/get_throttled", "50000")
    assert (Health.now(tmp_path).throttle_count, Health.now(tmp_path).throttled) == (12, False)


@pytest.mark.parametrize(("state", "flags"), [(2, "0"), (0, "50004")])
def test_throttling_that_holds_now_is_seen(tmp_path: Path, state: int, flags: str) -> None:
    put_brake(tmp_path, 0, "thermal-cpufreq-0", state)
    put(tmp_path, "devices/platform/soc/soc:firmware/get_throttled", flags)
    assert Health.now(tmp_path).throttled


def test_the_temperature_is_that_of_the_hottest_place(tmp_path: Path) -> None:
    for number, temperature in enumerate((41_200, 63_500, -5_000)):
        put(tmp_path, f"class/thermal/thermal_zone{number}/temp", temperature)
    assert Health.now(tmp_path).temperature_c == 63.5


def test_a_quiet_machine_has_no_flags() -> None:
    assert QUIET.changes(replace(QUIET, temperature_c=70.0, load=1.0), [4]) == []


def test_what_changed_on_the_cores_measured_on_is_flagged_and_on_others_is_not() -> None:
    later = replace(QUIET, clocks={0: QUIET.clocks[0], 4: Clock("powersave", 1_800_000)})
    assert QUIET.changes(later, [4]) == [
        "disturbed: the governor was performance and became powersave",
        "disturbed: the clock's limit was 2400000 kHz and became 1800000",
    ]
    assert QUIET.changes(later, [0]) == []
    assert QUIET.changes(replace(QUIET, clocks={0: QUIET.clocks[0]}), [0]) == [
        "disturbed: the cores allowed were 0,4 and became 0"
    ]


@pytest.mark.parametrize("change", [{"throttle_count": 1}, {"throttled": True}])
def test_throttling_meanwhile_is_flagged(change: dict) -> None:
    assert QUIET.changes(replace(QUIET, **change), [4]) == ["throttled: the CPU slowed down for heat or low power"]


def test_throttling_that_held_at_the_start_is_flagged_though_nothing_changed() -> None:
    hot = replace(QUIET, throttled=True, throttle_count=9)
    (flag,) = hot.changes(hot, [4])
    assert flag == "throttled: the CPU was slowed down already, for heat or low power, when measuring began"


def test_what_goes_with_a_row_is_of_its_core() -> None:
    assert QUIET.stamp(4) == {
        "governor": "performance", "limit_khz": 2_400_000, "frequency_khz": None, "temperature_c": 50.0, "load": 0.1,
    }  # fmt: skip


def test_a_board_that_shows_nothing_has_a_stamp_all_the_same() -> None:
    clock = {"core": 0, "governor": None, "limit_khz": None, "frequency_khz": None}
    told = Health.told(
        {"clocks": [clock], "throttle_count": 0, "throttled": False, "temperature_c": None, "load": None}
    )
    assert set(told.stamp(0).values()) == {None}
