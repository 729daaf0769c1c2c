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
    meter = EnergyMeter(tmp_path, tmp_path)
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        set_counter(tmp_path, name, 1_004_000)
    assert meter.millijoules() == pytest.approx(8)


def test_each_reading_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    set_counter(tmp_path, "intel-rapl:0", 0)
    meter = EnergyMeter(tmp_path, tmp_path)
    set_counter(tmp_path, "intel-rapl:0", 5_000)
    assert meter.millijoules() == 5
    set_counter(tmp_path, "intel-rapl:0", 12_000)
    assert meter.millijoules() == 7


def test_a_counter_that_began_anew_is_seen_through(tmp_path: Path) -> None:
    set_counter(tmp_path, "intel-rapl:0", 9_999_000)
    meter = EnergyMeter(tmp_path, tmp_path)
    set_counter(tmp_path, "intel-rapl:0", 2_000)
    assert meter.millijoules() == 3


def test_without_a_counter_that_can_be_read_nothing_is_told(tmp_path: Path) -> None:
    assert EnergyMeter(tmp_path, tmp_path).millijoules() is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert EnergyMeter(tmp_path, tmp_path).millijoules() is None


def test_a_counter_that_does_not_move_tells_nothing(tmp_path: Path) -> None:
    set_counter(tmp_path, "intel-rapl:0", 1_000)
    assert EnergyMeter(tmp_path, tmp_path).millijoules() is None


class Board:
    """A kernel's folder of sensors, one of which tells 5 V and some current of the whole board, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seconds = folder, 0.0
        for number, label in ((1, "VDD_CPU"), (2, "VDD_IN")):
            self.tell(f"in{number}_label", label)
            self.tell(f"in{number}_input", "5000")
            self.tell(f"curr{number}_input", "1000")

    def tell(self, file: str, content: str) -> None:
        (self.folder / "hwmon3").mkdir(exist_ok=True)
        (self.folder / "hwmon3" / file).write_text(f"{content}\n")

    def meter(self) -> EnergyMeter:
        return EnergyMeter(self.folder, self.folder, lambda: self.seconds)

    def pass_time(self, seconds: float, milliamperes: int) -> None:
        self.seconds += seconds
        self.tell("curr2_input", str(milliamperes))


def test_the_power_of_a_whole_board_is_added_up_over_time(tmp_path: Path) -> None:
    board = Board(tmp_path)
    meter = board.meter()
    board.pass_time(0.1, 1000)
    meter.sample()
    board.pass_time(0.2, 3000)
    assert meter.millijoules() == pytest.approx(0.1 * 5000 + 0.2 * 10000)
    board.pass_time(0.1, 3000)
    assert meter.millijoules() == pytest.approx(1500)


def test_a_sensor_is_not_read_again_at_once(tmp_path: Path) -> None:
    board = Board(tmp_path)
    meter = board.meter()
    board.pass_time(0.001, 9000)
    meter.sample()
    board.pass_time(0.099, 1000)
    assert meter.millijoules() == pytest.approx(500)


def test_power_that_a_sensor_tells_itself_is_taken(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.tell("power2_input", "2000000")
    meter = board.meter()
    board.pass_time(0.5, 1000)
    assert meter.millijoules() == pytest.approx(1000)


def test_a_sensor_that_cannot_be_read_any_more_tells_nothing_until_it_can(tmp_path: Path) -> None:
    board = Board(tmp_path)
    meter = board.meter()
    board.tell("in2_input", "no number")
    board.pass_time(0.1, 1000)
    assert meter.millijoules() is None
    board.tell("in2_input", "5000")
    board.pass_time(0.1, 1000)
    assert meter.millijoules() is None
    board.pass_time(0.1, 1000)
    assert meter.millijoules() == pytest.approx(500)


def test_counters_come_before_sensors_and_sensors_of_parts_do_not_count(tmp_path: Path) -> None:
    board = Board(tmp_path)
    set_counter(tmp_path, "intel-rapl:0", 0)
    meter = board.meter()
    board.pass_time(0.1, 1000)
    set_counter(tmp_path, "intel-rapl:0", 3_000)
    assert meter.millijoules() == 3
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    board.tell("in2_label", "VDD_GPU")
    assert board.meter().millijoules() is None
