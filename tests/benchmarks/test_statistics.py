"""Ratios, limits, time that is dealt out, and cliffs, on numbers made up for the purpose."""

import time

import pytest

from benchmarks.growth.axes import AXES, Cliff, cause, cliffs
from benchmarks.interleaved import MIN_QUIET, Timing, measure
from benchmarks.kernels.roofline import Roofline, arithmetics, measure_roofline
from benchmarks.study import Clock


def test_a_ratio_is_that_of_paired_rounds() -> None:
    ours, peer = Timing([1, 2, 4, 8, 16], [True] * 5), Timing([3, 6, 12, 24, 48], [True] * 5)
    assert ours.ratio_of(peer) == {"median": 3, "low": 3, "high": 3}
    assert peer.ratio_of(ours)["median"] == pytest.approx(1 / 3)


def test_disturbed_rounds_do_not_count_while_enough_are_quiet() -> None:
    quiet = [True] * MIN_QUIET + [False] * 2
    ours, peer = Timing([1.0] * len(quiet), quiet), Timing([2.0] * MIN_QUIET + [50.0] * 2, [True] * len(quiet))
    assert not ours.disturbed(peer)
    assert ours.ratio_of(peer) == {"median": 2, "low": 2, "high": 2}
    assert peer.median_us == 2


def test_with_too_few_quiet_rounds_all_count_and_it_is_said() -> None:
    ours, peer = Timing([1.0] * 8, [True] + [False] * 7), Timing([2.0] + [4.0] * 7, [True] * 8)
    assert ours.disturbed(peer)
    assert ours.ratio_of(peer)["median"] == 4


def test_the_interval_of_a_ratio_holds_its_median() -> None:
    ours, peer = Timing([1.0] * 9, [True] * 9), Timing([1, 2, 3, 4, 5, 6, 7, 8, 9], [True] * 9)
    ratio = ours.ratio_of(peer)
    assert 1 <= ratio["low"] < ratio["median"] == 5 < ratio["high"] <= 9


def test_time_in_a_chain_is_that_of_one_layer() -> None:
    assert Timing([10.0, 20.0], [True, True]).per_layer(5).blocks == [2.0, 4.0]


def test_calls_run_in_turns_as_often_as_each_other() -> None:
    counts = {"slow": 0, "fast": 0}

    def call(name: str, seconds: float) -> None:
        counts[name] += 1
        time.sleep(seconds)

    timings = measure({"slow": lambda: call("slow", 0.02), "fast": lambda: call("fast", 0.015)}, [0], 0.1, 0.2)
    assert len(timings["slow"].blocks) == len(timings["fast"].blocks) >= 1
    assert timings["slow"].median_us > timings["fast"].median_us >= 15_000
    assert timings["slow"].best_us <= timings["slow"].median_us


def test_a_roofline_is_the_longer_of_work_and_movement() -> None:
    roofline = Roofline({("avx2", "fma"): 50.0, ("avx512", "fma"): 100.0}, {1 << 10: 200.0, 1 << 20: 10.0})
    assert roofline.limit_us(1_000_000, 1000, 1000, "avx2", ["fma"]) == pytest.approx(20)
    assert roofline.limit_us(1_000_000, 1000, 1000, None, ["fma"]) == pytest.approx(10)
    assert roofline.limit_us(1000, 4_000_000, 4_000_000, "avx512", ["fma"]) == pytest.approx(400)
    assert roofline.limit_us(1000, 4_000_000, 1024, "avx512-base", ["fma"]) == pytest.approx(20)
    assert roofline.limit_us(1000, 1000, 1000, "scalar", ["fma"]) is None


def test_every_arithmetic_has_a_measured_peak() -> None:
    roofline = measure_roofline()
    assert roofline is not None
    assert all(bandwidth > 0 for bandwidth in roofline.bandwidths.values())
    kinds = [("conv3x3", "xnor"), ("linear", "xnor"), ("lstm", "bwn"), ("conv1x1", "int8"), ("linear", "full")]
    for kind in {arithmetics(op, scheme) for op, scheme in kinds} if roofline.peaks else ():
        assert roofline.peak(None, kind) > 0


def test_quick_time_is_shared_among_what_is_left_and_ends() -> None:
    clock = Clock(2, quick=True, started=time.monotonic() - 1e6)
    assert clock.remaining == 0
    assert clock.deal(1) == (0, 0)
    seconds, limit = Clock(1000, quick=True).deal(1)
    assert 0 < seconds == limit < 1
    assert Clock(1000, quick=True).deal(4)[1] == pytest.approx(4 * limit, rel=0.01)


def test_a_cliff_is_a_size_that_is_dearer_than_the_next_smaller_one() -> None:
    assert cliffs([16, 32, 64], [4.0, 2.0, 1.0]) == []
    assert cliffs([16, 32, 64, 128], [1.0, 1.6, 1.0, 1.4]) == [Cliff(32, 16, 1.6)]
    assert cliffs([1, 2, 3], [1.0, 2.0, 4.0]) == [Cliff(2, 1, 2.0), Cliff(3, 2, 2.0)]
    assert cliffs([1], [1.0]) == []


def test_a_cliff_has_a_cause_where_values_fill_the_cache() -> None:
    assert cause(40e6, 32 << 20) == "its 40 MB of values fill the 34 MB of cache, so memory sets the pace"
    assert cause(30e6, 32 << 20) is None
    assert cause(40e6, None) is None


def test_sizes_of_every_axis_grow_and_so_does_its_work() -> None:
    for axis in AXES:
        work = [axis.layer(value).macs for value in axis.values]
        assert list(axis.values) == sorted(axis.values)
        assert work == sorted(work)
        assert work[0] < work[-1]
