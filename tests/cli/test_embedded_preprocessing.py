"""`--embed-preprocessing`: the file takes pictures or sound as they are."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edgenet.cli import main
from edgenet.runtime import InferenceSession
from edgenet.tasks.held_out import HeldOut
from tests.apps.recordings import train_labeller
from tests.cli.conftest import Place
from tests.training.sequences import write_messages

OPTIONS = ("--data", "images", "--schemes", "xnor", "--no-distillation", "--epochs", "1", "--ends", "binary")


@pytest.fixture(autouse=True)
def _own_network(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(place.folder))


@pytest.fixture(scope="module")
def embedded(place: Place) -> Path:
    """The run folder of images, its files with their preprocessing inside."""
    done = place.run("binarize", "my_network:tiny", *OPTIONS, "--out", "embedded", "--embed-preprocessing")
    assert done.returncode == 0, done.stderr
    return place.folder / "embedded"


@pytest.fixture(scope="module")
def labeller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of recordings."""
    return train_labeller(tmp_path_factory.mktemp("sound"), ["xnor"])


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def bench(*paths: Path, result: Path) -> list[dict]:
    run("bench", *paths, "--min-runs", "5", "--min-seconds", "0.05", "--json", result)
    return json.loads(result.read_text())["rows"]


def test_the_run_is_verified_and_measured_on_the_pictures_that_the_samples_come_of(embedded: Path) -> None:
    rows = json.loads((embedded / "report.json").read_text())["rows"]
    assert rows
    for row in rows:
        assert row["input"] == [1, 8, 8, 1]
        assert row["verified"]["agreement"] >= 0.995
        trained = json.loads((embedded / f"{row['scheme']}.json").read_text())["accuracy"]
        assert row["accuracy"] == {**row["accuracy"], **trained}


def test_a_picture_file_is_classified_as_its_sample_is(embedded: Path, place: Place, tmp_path: Path) -> None:
    run("export", embedded / "xnor.safetensors", "--output", tmp_path / "plain.onnx", "--model", "my_network:tiny")
    names = json.loads((embedded / "split.json").read_text())["test"]
    samples = HeldOut.load(embedded / "samples.npz").inputs
    expected = InferenceSession(tmp_path / "plain.onnx").run({"input": samples})[0]
    session = InferenceSession(embedded / "xnor.onnx")
    for name, logits in zip(names, expected, strict=True):
        pixels = np.asarray(Image.open(place.folder / "images" / name))[None, :, :, None]
        np.testing.assert_allclose(session.run({"image": pixels})[0][0], logits, atol=1e-4)


def test_files_with_and_without_are_measured_side_by_side_on_the_same_samples(embedded: Path, tmp_path: Path) -> None:
    plain = embedded / "plain.onnx"
    run("export", embedded / "xnor.safetensors", "--output", plain, "--model", "my_network:tiny")
    try:
        rows = bench(embedded / "xnor.onnx", plain, result=tmp_path / "result.json")
    finally:
        plain.unlink()
    assert {tuple(row["input"]) for row in rows} == {(1, 8, 8, 1), (1, 1, 8, 8)}
    assert len({row["accuracy"]["value"] for row in rows}) == 1
    assert len({row["macs"] for row in rows}) == len({row["parameters"] for row in rows}) == 1


def test_what_takes_no_pictures_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    table, out = write_messages(tmp_path / "texts.tsv"), tmp_path / "texts"
    words = ["binarize", "text_classifier", "--data", table, "--embed-preprocessing", "--out", out]
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == 1
    assert "takes no pictures of one size" in done.stderr
    assert not out.exists()


def test_a_network_that_does_not_tell_its_preprocessing_is_refused(embedded: Path, tmp_path: Path) -> None:
    for ending in ("safetensors", "json"):
        (tmp_path / f"xnor.{ending}").write_bytes((embedded / f"xnor.{ending}").read_bytes())
    metadata = json.loads((tmp_path / "xnor.json").read_text())
    del metadata["preprocessing"]
    (tmp_path / "xnor.json").write_text(json.dumps(metadata))
    words = ["export", tmp_path / "xnor.safetensors", "--model", "my_network:tiny", "--embed-preprocessing"]
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == 1
    assert "does not say how its samples are made" in done.stderr
    assert not (tmp_path / "xnor.onnx").exists()


def test_recordings_go_in_as_sound_piece_by_piece(labeller: Path, tmp_path: Path) -> None:
    said = run("export", labeller / "xnor.safetensors", "--embed-preprocessing")
    assert "same class as torch" in said
    run("export", labeller / "xnor.safetensors", "--output", tmp_path / "plain.onnx")
    with wave.open(str(labeller.parent / "recordings" / "low_ann_6.wav")) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)[None] / 32768
    session = InferenceSession(labeller / "xnor.onnx")
    state = np.zeros([size if isinstance(size, int) else 1 for size in session.inputs[1].shape], np.float32)
    feeds, logits = {"state": state, "tail": np.zeros((1, 0), np.float32)}, []
    for start in range(0, sound.shape[1] - 256, 256):
        scores, state, tail = session.run({**feeds, "sound": sound[:, start : start + 256]})
        feeds = {"state": state, "tail": tail}
        logits.append(scores)
    found = np.concatenate(logits, 1)[0].argmax(-1)
    assert (found == 1).mean() > 0.8  # of the classes high and low


def test_a_file_that_takes_sound_is_measured_without_accuracy(labeller: Path, tmp_path: Path) -> None:
    run("export", labeller / "xnor.safetensors", "--embed-preprocessing")
    for row in bench(labeller, result=tmp_path / "result.json"):
        assert row["latency_ms"]["p50"] > 0
        assert row["accuracy"] is None
        assert row["input"][0] == 1
        assert row["macs"] > 0
