"""A process that holds one network: `python -m benchmarks.memory.holder TRIVIAL FILE native|portable SIZE`.

Prints as JSON the private memory that the network adds to this process, which has the runtime and a trivial model
loaded already: after loading, after some runs, and the peak of the resident memory while loading; in bytes.
"""

import gc
import json
import sys

import numpy as np

from edgenet.bench import memory
from edgenet.runtime import InferenceSession

_RUNS = 5


def private_bytes() -> int:
    """Return the memory that is this process's alone: what the machine gets back when it ends."""
    with open("/proc/self/smaps_rollup") as stream:
        lines = [line.split() for line in stream]
    return 1024 * sum(int(words[1]) for words in lines if words[0] in ("Private_Clean:", "Private_Dirty:"))


def main(trivial: str, file: str, path: str, size: str) -> None:
    image = np.zeros((1, 3, int(size), int(size)), np.float32)
    before = InferenceSession(trivial)
    before.run({"x": np.zeros(1, np.float32)})
    gc.collect()
    base = private_bytes()
    memory.reset_peak()
    resident = memory.resident_bytes()
    session = InferenceSession(file, native=path == "native")
    peak = memory.peak_resident_bytes() - resident
    loaded = private_bytes() - base
    for _ in range(_RUNS):
        session.run({"input": image})
    found = {"loaded": loaded, "after_runs": private_bytes() - base, "peak": peak, "path": session.path}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
