"""Predicted cycles: what the counting plugin wrote, and what llvm-mca makes of it."""

from collections import Counter
from pathlib import Path

import pytest

from edgenet.bench.devices import prediction
from edgenet.bench.devices.prediction import Block

MULTIPLY = Block("libedgenet_ops", 64, ("fmla v16.4s, v4.4s, v8.s[0]", "b.ne #0x5500001000"))
LOAD = Block("libonnxruntime", 0, ("ldr q0, [x1], #0x10",))


def test_counts_are_read_block_by_block_and_added_up(tmp_path: Path) -> None:
    file = tmp_path / "counts"
    file.write_text(
        "block libedgenet_ops 64 5\nfmla v16.4s, v4.4s, v8.s[0]\nb.ne #0x5500001000\n\n"
        "block libonnxruntime 0 2\nldr q0, [x1], #0x10\n\n"
        "block libonnxruntime 0 1\nldr q0, [x1], #0x10\n\n"
    )
    assert prediction.read_counts(file) == Counter({MULTIPLY: 5, LOAD: 3})


@pytest.mark.devices
def test_a_chain_of_multiply_adds_takes_its_latency_and_counts_with_its_runs() -> None:
    mca = prediction.find_mca()
    once = prediction.predict({MULTIPLY: 1}, "cortex-a72", mca)
    often = prediction.predict({MULTIPLY: 1000, LOAD: 1}, "cortex-a72", mca)
    assert (once["instructions"], often["instructions"]) == (2, 2001)
    # Each waits for the sum before it, for longer than an instruction takes to issue.
    assert once["cycles"] >= 3
    assert often["cycles"] >= 3000
    assert often["covered"] >= 0.98


@pytest.mark.devices
def test_what_llvm_does_not_know_is_not_counted_as_modelled() -> None:
    unknown = Block("libonnxruntime", 8, ("frobnicate x0",))
    figures = prediction.predict({unknown: 10, LOAD: 90}, "neoverse-n1", prediction.find_mca())
    assert figures["instructions"] == 100
    assert figures["covered"] == pytest.approx(0.9)
