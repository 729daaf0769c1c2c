"""answers.py RUN OUTPUT: what every file and path of a run folder says to its held-out samples.

Runs where only what a device needs is installed, on whichever ONNX Runtime is there.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from edgenet import InferenceSession
from edgenet.bench.subjects import SingleFile, answers
from edgenet.runtime import library
from edgenet.tasks.held_out import HeldOut


def main(run: Path, output: Path) -> None:
    held_out = HeldOut.load(run / "samples.npz")
    by_path = {}
    for file in sorted(run.glob("*.onnx")):
        for native in (True, False) if library.available() else (False,):
            session = InferenceSession(file, native=native if file.name != "full.onnx" else None)
            network = SingleFile(session, held_out, {})
            said = answers(held_out, network.fixed_batch, network.answers)
            by_path[f"{file.stem} {session.path}"] = np.asarray(said).tolist()
    output.write_text(json.dumps({"onnxruntime": onnxruntime.__version__, "answers": by_path}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
