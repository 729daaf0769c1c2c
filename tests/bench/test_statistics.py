"""The statistics behind the figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenet.bench import statistics


def test_a_summary_has_the_usual_figures() -> None:
    summary = statistics.summarize([[float(value) for value in range(1, 101)]])
    assert summary["mean"] == pytest.approx(50.5)
    assert summary["std"] == pytest.approx(29.01149)
    assert (summary["min"], summary["p50"]) == (1, pytest.approx(50.5))
    assert (summary["p90"], summary["p99"]) == (pytest.approx(90.1), pytest.approx(99.01))


def test_a_single_run_has_no_spread() -> None:
    assert statistics.summarize([[3.0]])["std"] == 0


def test_the_median_is_that_of_the_windows_so_that_one_bad_window_does_not_shift_it() -> None:
    summary = statistics.summarize([[1.0, 1.1, 1.2], [1.0, 1.1, 1.2], [9.0] * 50])
    assert summary["p50"] == 1.1
    assert summary["windows"] == [1.1, 1.1, 9.0]
    assert (len(summary["quantiles"]), summary["quantiles"][0], summary["quantiles"][-1]) == (21, 1, 9)


def windows_of(random: np.random.Generator, shared: float, own: float, count: int = 5) -> list[list[float]]:
    """Rounds whose window moves them all alike, by a share of `shared`, and each by itself, by one of `own`."""
    return [(3 * np.exp(random.normal(0, shared) + random.normal(0, own, 20))).tolist() for _ in range(count)]


def test_the_interval_over_windows_holds_where_that_over_rounds_is_too_narrow() -> None:
    random = np.random.default_rng(4)
    held = {"windows": 0, "rounds": 0}
    for _ in range(150):
        windows = windows_of(random, shared=0.02, own=0.02)
        _, low, high = statistics.window_interval(windows)
        held["windows"] += low <= 3 <= high
        _, low, high = statistics.median_interval([value for window in windows for value in window])
        held["rounds"] += low <= 3 <= high
    assert held["windows"] / 150 >= 0.9
    assert held["rounds"] / 150 < 0.75


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=20))
def test_the_median_of_windows_lies_within_its_interval(values: list[float]) -> None:
    median, low, high = statistics.window_interval([[value] for value in values])
    assert low <= median <= high


def test_two_measurements_differ_by_more_than_their_windows_tell() -> None:
    assert statistics.window_interval([[3.0]] * 5) == pytest.approx((3, 2.9587, 3.0419), abs=1e-3)


def test_of_a_single_window_the_rounds_are_all_there_is() -> None:
    assert statistics.window_interval([[1.0, 2.0, 3.0]]) == statistics.median_interval([1.0, 2.0, 3.0])


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=50))
def test_the_interval_of_a_median_holds_the_median(values: list[float]) -> None:
    median, low, high = statistics.median_interval(values)
    assert min(values) <= low <= median <= high <= max(values)


def test_the_interval_covers_the_true_median_about_95_times_in_100() -> None:
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        _, low, high = statistics.median_interval(random.normal(5, 1, 30).tolist())
        covered += low <= 5 <= high
    assert 0.88 <= covered / 200 <= 1


def test_pairing_cancels_drift_that_hits_both() -> None:
    drift = np.linspace(1, 3, 20)
    ratio = statistics.paired_ratio((8 * drift).tolist(), (2 * drift).tolist())
    assert ratio == pytest.approx((4, 4, 4))


def test_a_fraction_of_few_samples_has_a_wide_interval() -> None:
    low, high = statistics.proportion_interval(0.9, 10)
    assert (low, high) == pytest.approx((0.596, 0.982), abs=1e-3)
