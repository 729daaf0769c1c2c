"""The commands on sequences of unequal lengths: texts with labels, of one's own."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgenet.cli import main
from tests.cli.conftest import Place
from tests.training.sequences import write_messages


@pytest.fixture(scope="module")
def made(place: Place) -> subprocess.CompletedProcess[str]:
    write_messages(place.folder / "messages.tsv")
    return place.run("binarize", "text_classifier", "--data", "messages.tsv", "--schemes", "full,xnor", "--epochs", "2")


@pytest.fixture
def folder(place: Place, made: subprocess.CompletedProcess[str]) -> Path:
    assert made.returncode == 0, made.stderr
    return place.folder / "runs" / "text_classifier"


def test_files_and_report_say_the_metric_of_the_task(folder: Path, made: subprocess.CompletedProcess[str]) -> None:
    assert (folder / "source-vocabulary.json").is_file()
    assert "accuracy is F1 of the rarer class" in made.stdout
    report = json.loads((folder / "report.json").read_text())
    by_scheme = {row["scheme"]: row for row in report["rows"]}
    for scheme in ("full", "xnor"):
        trained = json.loads((folder / f"{scheme}.json").read_text())["accuracy"]
        measured = by_scheme[scheme]["accuracy"]
        assert measured["metric"] == trained["metric"] == "f1"
        assert measured["value"] == pytest.approx(trained["value"], abs=0.1)
        assert measured["samples"] == trained["samples"] == 24
        assert by_scheme[scheme]["verified"]["agreement"] >= 0.995
    loss = by_scheme["full"]["accuracy"]["value"] - by_scheme["xnor"]["accuracy"]["value"]
    assert by_scheme["xnor"]["accuracy"]["loss_vs_full"] == pytest.approx(loss)
    assert 1 < by_scheme["full"]["input"][1] < 10


def test_a_run_of_sequences_is_benched_and_inspected_like_any_other(folder: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    words = ["bench", str(folder), "--min-runs", "5", "--min-seconds", "0.05", "--json", str(result)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    before = json.loads((folder / "report.json").read_text())["rows"]
    after = json.loads(result.read_text())["rows"]
    assert [row["accuracy"] for row in after] == [row["accuracy"] for row in before]
    inspected = CliRunner().invoke(main, ["inspect", str(folder / "xnor.onnx")])
    assert "embedding" in inspected.output
    assert "stack.rnn" in inspected.output


def test_a_checkpoint_of_sequences_is_exported_on_the_runs_samples(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"
    done = CliRunner().invoke(main, ["export", str(folder / "xnor.safetensors"), "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert output.stat().st_size == (folder / "xnor.onnx").stat().st_size


def test_a_checkpoint_of_sequences_without_its_samples_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    for ending in ("safetensors", "json"):
        (tmp_path / f"xnor.{ending}").write_bytes((folder / f"xnor.{ending}").read_bytes())
    done = CliRunner().invoke(main, ["export", str(tmp_path / "xnor.safetensors")])
    assert done.exit_code == 1
    assert "samples.npz is missing: samples of unequal lengths cannot be made up; copy it from the run" in done.stderr


def test_text_needs_a_path_and_the_error_says_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["binarize", "text_classifier", "--out", str(tmp_path / "run")])
    assert done.exit_code == 1
    assert "give your own as data (--data), FILE.tsv, text with labels: label<TAB>text" in done.stderr
