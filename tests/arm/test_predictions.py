"""How fast the inner loops are predicted to be."""

from pathlib import Path

import pytest

from benchmarks.arm import __main__ as arm
from tests.arm.conftest import tool


@pytest.mark.devices
def test_the_xnor_convolution_is_as_many_times_as_fast_as_fp32_as_promised(tmp_path: Path, built: Path) -> None:
    assert built == arm.ROOT / "build/aarch64"
    tool("llvm-mca-19", "llvm-19")
    file = tmp_path / "arm.json"
    arm.main(["--json", str(file)], standalone_mode=False)
    rows = {row["kernel"]: row for row in arm.json.loads(file.read_text())["rows"]}
    ratios = rows["XNOR convolution"]["ratios"]
    assert ratios["cortex-a53"] >= 10
    assert ratios["cortex-a72"] >= 12
    assert ratios["neoverse-n1"] >= 9
    assert rows["fp32"]["macs_a_cycle"]["neoverse-n1"] == pytest.approx(8, rel=0.05)
