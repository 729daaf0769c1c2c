"""Real models of others, out of the packages that bring them, measured with nothing made for them."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgenet import bench

pytestmark = pytest.mark.devices

SPEECH = "silero_vad/data/silero_vad.onnx"
READER = "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"
INT8 = "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
PACKAGES = {SPEECH: "silero-vad==6.2.3", READER: "rapidocr-onnxruntime==1.4.4", INT8: "pipecat-ai==1.14.0"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, *PACKAGES.values()], check=True)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name in PACKAGES])
    return folder


def measured(file: Path, **options: object) -> dict:
    (row,) = bench.run([file], min_runs=5, min_seconds=0.2, profile=True, **options)["rows"]
    assert row["path"] == "plain"
    assert row["latency_ms"]["p50"] > 0
    assert row["profile"]
    return row


def test_a_speech_model_of_convolutions_and_an_lstm_with_its_state(models: Path, tmp_path: Path) -> None:
    sound = np.random.default_rng(0).standard_normal((1, 576), np.float32) * 0.1
    np.savez(tmp_path / "sound.npz", input=sound, sr=np.int64(16000))
    row = measured(models / SPEECH, inputs=tmp_path / "sound.npz")
    assert row["input"] == [1, 576]
    assert "LSTM" in {layer["operator"] for layer in row["profile"]}


def test_a_text_reader_of_open_width(models: Path) -> None:
    for width in (160, 320):
        row = measured(models / READER, shapes={"x": [1, 3, 48, width]})
        assert row["input"] == [1, 3, 48, width]
        assert "Conv" in {layer["operator"] for layer in row["profile"]}


def test_a_model_with_8_bit_weights_and_activations(models: Path) -> None:
    row = measured(models / INT8)
    assert row["input"] == [1, 80, 800]
    assert "8x8" in {layer["precision"] for layer in row["profile"]}
    assert row["macs"] > 1e9
