"""The commands on an encoder-decoder: two files a scheme, measured as one network."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgenet.cli import main
from edgenet.runtime import InferenceSession
from edgenet.runtime.decoding import SequenceDecoder
from edgenet.tasks import Vocabulary
from edgenet.tasks.held_out import HeldOut
from tests.cli.conftest import Place

FILES = ("full-encoder.onnx", "full-decoder.onnx", "bwn-encoder.onnx", "bwn-decoder.onnx")


def write_translations(folder: Path, count: int = 300) -> None:
    """Words of one language and those of another that stand for them, one for one."""
    random = np.random.default_rng(0)
    words = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier"}
    folder.mkdir()
    lines = [list(random.choice(list(words), random.integers(1, 5))) for _ in range(count)]
    (folder / "train.en").write_text("\n".join(" ".join(line) for line in lines) + "\n")
    (folder / "train.de").write_text("\n".join(" ".join(words[word] for word in line) for line in lines) + "\n")


@pytest.fixture(scope="module")
def made(place: Place) -> subprocess.CompletedProcess[str]:
    write_translations(place.folder / "numbers")
    words = ("--data", "numbers", "--languages", "en-de", "--schemes", "full,bwn", "--epochs", "3")
    return place.run("binarize", "translator", *words)


@pytest.fixture
def folder(place: Place, made: subprocess.CompletedProcess[str]) -> Path:
    assert made.returncode == 0, made.stderr
    return place.folder / "runs" / "translator"


def test_a_scheme_is_two_files_and_one_row(folder: Path) -> None:
    assert all((folder / name).is_file() for name in FILES)
    rows = json.loads((folder / "report.json").read_text())["rows"]
    full = next(row for row in rows if row["scheme"] == "full")
    assert full["file_bytes"] == sum((folder / name).stat().st_size for name in FILES[:2])
    assert {row["file"] for row in rows} == {"full-decoder.onnx", "bwn-decoder.onnx"}
    for row in rows:
        trained = json.loads((folder / f"{row['scheme']}.json").read_text())["accuracy"]
        assert row["accuracy"]["metric"] == trained["metric"] == "bleu"
        assert row["accuracy"]["value"] == pytest.approx(trained["value"], abs=2)
        assert row["operations"] > 1e5
    bwn = next(row for row in rows if row["scheme"] == "bwn")
    assert bwn["accuracy"]["loss_vs_full"] == full["accuracy"]["value"] - bwn["accuracy"]["value"]
    assert bwn["size_ratio"]["value"] > 5


def test_what_an_app_decodes_with_the_run_folder_alone_is_text(folder: Path) -> None:
    held_out = HeldOut.load(folder / "samples.npz")
    encoder, decoder = (InferenceSession(folder / name) for name in FILES[:2])
    said = SequenceDecoder(encoder, decoder, held_out.begin, held_out.end).greedy(held_out.inputs, held_out.lengths, 8)
    words = {Vocabulary.load(folder / "target-vocabulary.json").decode(ids) for ids in said}
    assert words
    assert set(" ".join(words).split()) <= {"eins", "zwei", "drei", "vier"}


def test_one_half_is_taken_for_the_whole_and_needs_its_samples(folder: Path, tmp_path: Path) -> None:
    quick = ["--min-runs", "3", "--min-seconds", "0.01"]
    result = tmp_path / "result.json"
    done = CliRunner().invoke(main, ["bench", str(folder / FILES[1]), *quick, "--json", str(result)])
    assert done.exit_code == 0, done.output
    assert json.loads(result.read_text())["rows"][0]["accuracy"]["metric"] == "bleu"
    for name in FILES[:2]:
        shutil.copy(folder / name, tmp_path / name)
    done = CliRunner().invoke(main, ["bench", str(tmp_path / FILES[1]), *quick])
    assert done.exit_code == 1
    assert "measured on the samples.npz of their run folder" in done.stderr


def test_a_checkpoint_is_exported_as_both_files(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["export", str(folder / "bwn.safetensors"), "-o", str(tmp_path / "bwn.onnx")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "bwn-encoder.onnx").is_file()
    assert (tmp_path / "bwn-decoder.onnx").is_file()
    assert "bwn-decoder.onnx" in done.output


def test_which_way_to_translate_must_be_said(place: Place, made: subprocess.CompletedProcess[str]) -> None:
    done = place.run("binarize", "translator", "--data", "numbers", "--out", "elsewhere")
    assert done.returncode == 1
    assert "--languages de-en" in done.stderr
