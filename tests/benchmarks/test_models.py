"""The study of full sizes: a row a network and scheme, kept, bounded in memory."""

import json
from pathlib import Path

from click.testing import CliRunner

from benchmarks.models.__main__ import line, main
from benchmarks.models.published import published
from edgenet.models import list_models


def test_every_network_has_a_published_input() -> None:
    sizes = {entry.name: published(entry.name) for entry in list_models()}
    assert sizes["resnet50"] == (1000, {"in_channels": 3, "input_size": 224})
    assert sizes["lenet5"] == (10, {})
    assert sizes["vgg_small"][1]["in_channels"] == 3


def test_a_row_is_made_once_and_then_kept(tmp_path: Path) -> None:
    words = ["--only", "lenet5", "--results", str(tmp_path)]
    for scheme in ("bwn", "xnor"):
        (tmp_path / f"lenet5-{scheme}.json").write_text(json.dumps({"model": "lenet5", "scheme": scheme, "error": "x"}))
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "2 of 3 rows failed" in done.output
    row = json.loads((tmp_path / "lenet5-full.json").read_text())
    assert (row["parameters"], row["input"], row["finite"]) == (61_932, [1, 32, 32], True)
    assert row["agreement"] == {"plain": 1.0}
    assert row["torch_ms"] > 0
    assert row["ort_ms"]["plain"] > 0
    assert line(row) in done.output
    before = (tmp_path / "lenet5-full.json").stat().st_mtime_ns
    CliRunner().invoke(main, words)
    assert (tmp_path / "lenet5-full.json").stat().st_mtime_ns == before


def test_a_row_that_takes_too_much_memory_says_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--only", "lenet5", "--results", str(tmp_path), "--memory", "0.02"])
    assert done.exit_code == 1
    assert json.loads((tmp_path / "lenet5-xnor.json").read_text())["error"] == "took more than 0.02 GB of memory"


def test_an_unknown_network_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--only", "lenet6", "--results", str(tmp_path)])
    assert done.exit_code == 1
    assert "unknown model 'lenet6'" in done.output
