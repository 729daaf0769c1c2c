"""What processors tell of the energy they use, from counters as the kernel shows them."""

from pathlib import Path

import pytest

from edgenet.bench.energy import EnergyMeter


def set_counter(powercap: Path, name: str, microjoules: int) -> None:
    folder = powercap / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("10000000\n")


def test_packages_are_added_up_and_what_lies_within_them_is_not_counted_twice(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        set_counter(tmp_path, name, 1_000_000)
    meter = EnergyMeter(tmp_path)
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        set_counter(tmp_path, name, 1_004_000)
    assert meter.millijoules() == pytest.approx(8)


def test_each_reading_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    set_counter(tmp_path, "intel-rapl:0", 0)
    meter = EnergyMeter(tmp_path)
    set_counter(tmp_path, "intel-rapl:0", 5_000)
    assert meter.millijoules() == 5
    set_counter(tmp_path, "intel-rapl:0", 12_000)
    assert meter.millijoules() == 7


def test_a_counter_that_began_anew_is_seen_through(tmp_path: Path) -> None:
    set_counter(tmp_path, "intel-rapl:0", 9_999_000)
    meter = EnergyMeter(tmp_path)
    set_counter(tmp_path, "intel-rapl:0", 2_000)
    assert meter.millijoules() == 3


def test_without_a_counter_that_can_be_read_nothing_is_told(tmp_path: Path) -> None:
    assert EnergyMeter(tmp_path).millijoules() is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert EnergyMeter(tmp_path).millijoules() is None


def test_a_counter_that_does_not_move_tells_nothing(tmp_path: Path) -> None:
    set_counter(tmp_path, "intel-rapl:0", 1_000)
    assert EnergyMeter(tmp_path).millijoules() is None
