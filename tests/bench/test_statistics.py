"""The statistics behind the figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenet.bench import statistics


def test_a_summary_has_the_usual_figures() -> None:
    summary = statistics.summarize([float(value) for value in range(1, 101)])
    assert summary["mean"] == pytest.approx(50.5)
    assert summary["std"] == pytest.approx(29.01149)
    assert (summary["min"], summary["p50"]) == (1, pytest.approx(50.5))
    assert (summary["p90"], summary["p99"]) == (pytest.approx(90.1), pytest.approx(99.01))


def test_a_single_run_has_no_spread() -> None:
    assert statistics.summarize([3.0])["std"] == 0


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
