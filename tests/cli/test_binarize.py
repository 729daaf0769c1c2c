"""`edgenet binarize` and `edgenet export`, on a network and images of one's own."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgenet.cli import main
from edgenet.runtime import library
from tests.cli.conftest import Place


@pytest.fixture
def run_folder(place: Place, binarized: subprocess.CompletedProcess[str]) -> Path:
    assert binarized.returncode == 0, binarized.stderr
    return place.folder / "runs" / "my_network.tiny"


def test_the_run_folder_has_checkpoints_files_samples_and_report(run_folder: Path) -> None:
    for name in ("full", "xnor"):
        for ending in ("safetensors", "json", "onnx"):
            assert (run_folder / f"{name}.{ending}").is_file()
    for name in ("samples.npz", "split.json", "report.json", "report.md", "report.html", "accuracy-operations.png"):
        assert (run_folder / name).is_file()


def test_the_table_is_printed_and_progress_goes_elsewhere(binarized: subprocess.CompletedProcess[str]) -> None:
    assert "xnor" in binarized.stdout
    assert "smaller" in binarized.stdout
    assert "epoch" not in binarized.stdout
    assert "full: epoch 1/1" in binarized.stderr
    assert "xnor: exported" in binarized.stderr


def test_the_report_is_measured_verified_and_of_these_files(run_folder: Path) -> None:
    report = json.loads((run_folder / "report.json").read_text())
    assert report["command"][:3] == ["edgenet", "binarize", "my_network:tiny"]
    paths = {(row["scheme"], row["path"]) for row in report["rows"]}
    assert paths == {("full", "plain"), ("xnor", "portable")} | ({("xnor", "native")} if library.available() else set())
    for row in report["rows"]:
        assert row["file_bytes"] == (run_folder / row["file"]).stat().st_size
        assert row["verified"]["agreement"] >= 0.995
        assert row["verified"]["samples"] == row["accuracy"]["samples"] == 8
        assert row["ends"] == ("binary" if row["scheme"] == "xnor" else "fp32")
    page = (run_folder / "report.md").read_text()
    assert "](accuracy-operations.png)" in page
    assert "| xnor" in page


def test_a_run_is_not_overwritten_without_being_told(run_folder: Path) -> None:
    before = (run_folder / "report.json").read_bytes()
    done = CliRunner().invoke(main, ["binarize", "lenet5", "--out", str(run_folder)])
    assert done.exit_code == 1
    assert "holds a run; --resume goes on with it, --force replaces it" in done.stderr
    assert (run_folder / "report.json").read_bytes() == before


def test_a_finished_run_resumed_is_exported_and_measured_again(place: Place, run_folder: Path) -> None:
    before = (run_folder / "xnor.safetensors").read_bytes()
    (run_folder / "xnor.onnx").unlink()
    words = ("--data", "images", "--schemes", "xnor", "--epochs", "1", "--ends", "binary", "--resume")
    done = place.run("binarize", "my_network:tiny", *words)
    assert done.returncode == 0, done.stderr
    assert (run_folder / "xnor.onnx").is_file()
    assert (run_folder / "xnor.safetensors").read_bytes() == before
    assert "xnor: trained already" in done.stderr


def test_force_replaces_what_is_of_the_run_and_nothing_else(place: Place) -> None:
    folder = place.folder / "forced"
    folder.mkdir()
    for name in ("bwn.onnx", "report.json", "notes.txt"):
        (folder / name).write_text("old")
    words = ("--data", "images", "--schemes", "full", "--epochs", "0", "--out", "forced", "--force")
    done = place.run("binarize", "my_network:tiny", *words)
    assert done.returncode == 0, done.stderr
    assert not (folder / "bwn.onnx").exists()
    assert (folder / "report.json").read_text() != "old"
    assert (folder / "notes.txt").read_text() == "old"


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-network"],
        ["lenet5", "--data", "nowhere"],
        ["lenet5", "--recipe", "nothing"],
        ["lenet5", "--weights", "none.pth"],
        ["lstm", "--data", "digits", "--flip"],
    ],
)
def test_force_removes_nothing_for_a_run_that_cannot_begin(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "full.onnx").write_text("old")
    done = CliRunner().invoke(main, ["binarize", *words, "--out", str(tmp_path), "--force"])
    assert done.exit_code == 1
    assert (tmp_path / "full.onnx").read_text() == "old"


def test_an_attempt_that_failed_does_not_stand_in_the_way_of_the_next(place: Place) -> None:
    (place.folder / "weights.pth").touch()
    words = ("my_network:tiny", "--data", "images", "--schemes", "full", "--epochs", "0", "--out", "second")
    failed = place.run("binarize", *words, "--weights", "weights.pth")
    assert failed.returncode == 1
    assert "weights.pth cannot be read as PyTorch weights" in failed.stderr
    assert place.run("binarize", *words).returncode == 0


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(place: Place) -> None:
    words = ("binarize", "my_network:tiny", "--data", "images", "--epochs", "100000", "--out", "interrupted")
    process = place.start(*words)
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 2/" in line:
            break
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Error: Interrupted; interrupted keeps what is done" in stderr
    assert f"Go on with: edgenet {' '.join(words)} --resume" in stderr
    assert "Traceback" not in stderr
    assert (place.folder / "interrupted" / "training-state" / "full.safetensors").is_file()


def test_one_checkpoint_is_exported_and_verified(place: Place, run_folder: Path) -> None:
    words = ("export", str(run_folder / "xnor.safetensors"), "--model", "my_network:tiny", "--output", "out/net.onnx")
    done = place.run(*words)
    assert done.returncode == 0, done.stderr
    assert "portable: same class as torch on 100.0% of 8 given samples" in done.stdout
    assert (place.folder / "out" / "net.onnx").stat().st_size == (run_folder / "xnor.onnx").stat().st_size


def test_a_missing_checkpoint_is_named() -> None:
    done = CliRunner().invoke(main, ["export", "nowhere.safetensors"])
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: there is no nowhere.safetensors: a checkpoint is")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lenet5", "--schemes", "full,ternary"], "'ternary' is not among full, bwn, xnor"),
        (["lenet5", "--ends", "ternary"], "'ternary' is not one of 'fp32', 'int8', 'binary'"),
        (["lenet5", "--activations", "binary"], "'binary' is not one of 'fp32', 'int8'"),
        (["lenet5", "--epochs", "-1"], "-1 is not in the range"),
        (["lenet5", "--seed", "-1"], "-1 is not in the range"),
        (["lenet5", "--resume", "--force"], "give one of them"),
        ([], "Missing argument 'MODEL'"),
    ],
)
def test_wrong_usage_exits_with_2(words: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["binarize", *words])
    assert done.exit_code == 2
    assert message in done.stderr


def test_unknown_networks_and_data_are_named(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "run")]
    unknown = CliRunner().invoke(main, ["binarize", "squeezenet", *out])
    assert unknown.exit_code == 1
    assert "unknown model 'squeezenet': use one of resnet18" in unknown.stderr
    no_data = CliRunner().invoke(main, ["binarize", "lenet5", "--data", "nowhere", *out])
    assert no_data.exit_code == 1
    assert "no data set named 'nowhere'" in no_data.stderr
