import pytest
from click import ClickException

from benchmarks.arm import __main__ as arm
from benchmarks.arm.loops import innermost_loops

DISASSEMBLY = """
xnor.o:     file format elf64-littleaarch64

0000000000000000 <void count<4>(unsigned char const*)>:
       0:\tmovi\tv25.4s, #0x0
       4:\tldr\tq0, [x0]
       8:\tldp\tq1, q2, [x1], #32
       c:\tcnt\tv0.16b, v1.16b
      10:\tcbz\tx3, 18 <void count<4>(unsigned char const*)+0x18>
      14:\tcnt\tv0.16b, v2.16b
      18:\tb.ne\t8 <void count<4>(unsigned char const*)+0x8>  // b.any
      1c:\tsubs\tx2, x2, #0x1                 \t// #1
      20:\tb.ne\t4 <void count<4>(unsigned char const*)+0x4>  // b.any
      24:\tret
"""


def test_the_innermost_loop_is_found_with_its_branches_as_labels() -> None:
    (loop,) = innermost_loops(DISASSEMBLY)
    assert loop.function == "void count<4>(unsigned char const*)"
    assert loop.instructions[0].split() == ["ldp", "q1,", "q2,", "[x1],", "#32"]
    assert loop.instructions[2].split() == ["cbz", "x3,", ".Lout"]
    assert loop.instructions[-1].split() == ["b.ne", ".Lloop"]
    assert loop.macs({"cnt": 128}) == 256


def test_a_missing_analyser_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm.shutil, "which", lambda name: None)
    with pytest.raises(ClickException, match=r"needs llvm-mca 19 or newer.*apt-get install llvm-19"):
        arm.main([], standalone_mode=False)
