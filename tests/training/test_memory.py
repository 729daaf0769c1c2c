"""Training that does not have every tensor's pages made anew at each step."""

import platform
import subprocess
import sys

import pytest

_COUNT = """
import resource
import numpy as np
from edgenet.training.memory import keep_freed_memory
kept = keep_freed_memory() if {keep} else False
for step in range(12):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [np.ones(2**20, np.float32) for _ in range(8)]
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, kept)
"""


def page_faults(keep: bool) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-c", _COUNT.format(keep=keep)], capture_output=True, text=True, check=True, timeout=300
    )
    count, kept = ran.stdout.split()
    return int(count), kept


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc's allocator has these settings; others keep theirs"
)
def test_freed_memory_is_used_again_without_new_pages() -> None:
    without, _ = page_faults(keep=False)
    kept, done = page_faults(keep=True)
    assert done == "True"
    assert kept < without / 10
