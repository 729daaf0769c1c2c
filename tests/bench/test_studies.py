"""`python -m benchmarks.kernels`: the rows it writes, and its errors."""

import json
from pathlib import Path

from click.testing import CliRunner

from benchmarks.cases import cases
from benchmarks.kernels import main
from edgenet.runtime import InferenceSession, library


def test_every_case_runs_on_both_sides_and_gives_outputs_of_one_size() -> None:
    # The smallest of each operator; the large ones are made alike.
    for name in ("conv3x3-7x7x512-bwn", "conv3x3-7x7x512-xnor", "rnn-1024-xnor", "rnn-1024-bwn"):
        case = cases()[name]()
        (reference,) = InferenceSession(case.reference).run(case.feeds)
        if library.available():
            (ours,) = InferenceSession(case.model, native=True).run(case.feeds)
            assert ours.size == reference.size


def test_kernels_writes_a_row_an_implementation(tmp_path: Path) -> None:
    words = ["--quick", "--only", "conv3x3-7x7x512-xnor", "--json", str(tmp_path / "kernels.json")]
    done = CliRunner().invoke(main, words)
    if not library.available():
        assert "install a C++ compiler" in done.stderr
        return
    assert done.exit_code == 0
    assert "| conv3x3 | 7x7x512-512 | xnor |" in done.stdout
    written = json.loads((tmp_path / "kernels.json").read_text())
    ours, fp32 = written["rows"]
    assert (ours["implementation"], ours["isa"], fp32["implementation"]) == ("edgenet", library.isa(), "ort")
    assert ours["ratios"]["ort-fp32"]["low"] <= ours["ratios"]["ort-fp32"]["high"]
    assert written["environment"]["onnxruntime"]


def test_an_unknown_case_is_refused_with_the_names_there_are() -> None:
    done = CliRunner().invoke(main, ["--only", "conv9x9"])
    assert done.exit_code == 1
    if library.available():
        assert "there are conv3x3-56x56x64-xnor" in done.stderr
