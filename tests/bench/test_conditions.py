"""Checks that nobody watches: when they fail, and that they never pass for want of anything to compare."""

from typing import Any

import pytest

from edgenet import bench
from edgenet.errors import EdgenetError
from tests.bench.test_results import result, row


def speedup(median: float, width: float = 0.1) -> dict[str, Any]:
    return {"over": "full", "median": median, "low": median - width, "high": median + width}


def failures(condition: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    comparison = bench.compare(result(before), result(after))
    return bench.Condition.parse(condition).failures(comparison)


@pytest.mark.parametrize("text", ["slower:5%", "slower:0.05"])
def test_a_limit_is_a_share_or_per_cent(text: str) -> None:
    condition = bench.Condition.parse(text)
    assert (condition.kind, condition.limit, condition.text) == ("slower", 0.05, text)


@pytest.mark.parametrize("text", ["", "slower", "slower:", "slower:x", "slower:-5%", "faster:5%", "slower:nan"])
def test_a_wrong_condition_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(EdgenetError, match=r"write slower:5%, larger:1% or loss:0\.5%"):
        bench.Condition.parse(text)


def test_slower_fails_where_the_whole_interval_lies_beyond_the_limit() -> None:
    before = row("xnor", speedup=speedup(3.0))
    (told,) = failures("slower:5%", before, row("xnor", speedup=speedup(2.0)))
    assert told == "net xnor plain is slower by 50.0% (95 % interval +38.1% to +63.2%)"
    assert failures("slower:60%", before, row("xnor", speedup=speedup(2.0))) == []
    assert failures("slower:5%", before, row("xnor", speedup=speedup(2.85))) == []
    assert failures("slower:5%", before, row("xnor", speedup=speedup(4.0))) == []


def test_without_a_speedup_the_latency_decides() -> None:
    after = row("full")
    after["latency_ms"].update(mean=1.3, p50=1.3)
    assert failures("slower:5%", row("full"), after)[0].startswith("net full plain is slower by 30.0%")
    assert failures("slower:30%", row("full"), after) == []


def test_the_windows_of_a_latency_say_how_sure_it_is() -> None:
    before, after = row("full"), row("full")
    before["latency_ms"]["windows"] = [0.98, 1.0, 1.0, 1.0, 1.02]
    after["latency_ms"].update(p50=1.2, windows=[1.0, 1.1, 1.2, 1.3, 1.4])
    assert failures("slower:5%", before, after) == []
    after["latency_ms"]["windows"] = [1.19, 1.2, 1.2, 1.2, 1.21]
    assert failures("slower:5%", before, after)


def test_larger_goes_by_the_file() -> None:
    assert failures("larger:1%", row("xnor"), row("xnor", file_bytes=1200)) == ["net xnor plain is larger by 20.0%"]
    assert failures("larger:1%", row("xnor"), row("xnor", file_bytes=1005)) == []


def test_a_loss_fails_where_chance_does_not_explain_it() -> None:
    after = row("xnor")
    after["accuracy"] = {**after["accuracy"], "value": 0.8}
    (told,) = failures("loss:1%", row("xnor"), after)
    assert told == "net xnor plain lost 6.9 points of accuracy or more"
    assert failures("loss:8%", row("xnor"), after) == []
    after["accuracy"] = {**after["accuracy"], "value": 0.89}
    assert failures("loss:0%", row("xnor"), after) == []


def test_nothing_to_compare_is_a_failure() -> None:
    assert failures("slower:5%", row("full"), row("xnor")) == ["slower:5%: no row has that figure in both results"]
    assert failures("loss:5%", row("full", accuracy=None), row("full")) != []
