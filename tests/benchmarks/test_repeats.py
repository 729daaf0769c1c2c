"""The study of how far a measurement agrees with itself."""

import pytest

from benchmarks.repeats.__main__ import summarize


def test_repeats_are_counted_whose_interval_holds_the_median_of_all_and_is_narrow() -> None:
    repeats = [(2.0, 1.95, 2.05), (2.1, 1.98, 2.2), (2.2, 2.11, 2.3)]
    results = []
    for middle, low, high in repeats:
        speedup = {"over": "full", "median": middle, "low": low, "high": high, "windows": [middle] * 5}
        row = {"model": "net", "scheme": "xnor", "path": "native", "speedup": speedup, "valid": True}
        results.append({"rows": [{**row, "scheme": "full", "speedup": None}, row]})
    (told,) = summarize(results)
    assert told["median"] == pytest.approx(2.1)
    assert (told["lowest"], told["highest"]) == (2.0, 2.2)
    assert (told["held"], told["narrow"], told["valid"], told["windows"]) == (1, 2, 3, 5)
