"""The study of accuracy: a network trained, measured, and written down; tables of metrics that are no fractions."""

import json
from pathlib import Path

from click.testing import CliRunner

from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.plot import plot
from benchmarks.accuracy.table import table
from tests.training.sequences import write_messages


def row(scheme: str, value: float, loss: float, metric: str = "bits_per_character") -> dict:
    curve = [{"epoch": 1, "loss": 1.2, "accuracy": 0.5}]
    return {
        "model": "language_model", "data": "text", "scheme": scheme, "ends": "int8", "metric": metric, "value": value,
        "loss_vs_full": loss, "file_bytes": 1000, "size_ratio": 1.0, "seed": 0, "epochs": 1, "curve": curve,
        "environment": {"trained_on": "CPU"},
    }  # fmt: skip


def test_a_text_network_is_trained_and_its_f1_written_down(tmp_path: Path) -> None:
    data = write_messages(tmp_path / "messages.tsv")
    folders = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    done = CliRunner().invoke(main, ["text_classifier", "--data", str(data), "--epochs", "2", *folders])
    assert done.exit_code == 0, done.output
    results = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "results").glob("*.json")}
    assert set(results) == {f"text_classifier-messages-{scheme}-0" for scheme in ("full", "bwn", "xnor")}
    full, xnor = (results[f"text_classifier-messages-{scheme}-0"] for scheme in ("full", "xnor"))
    assert full["metric"] == "f1"
    assert len(full["curve"]) == 2
    assert xnor["loss_vs_full"] == full["value"] - xnor["value"]
    assert xnor["size_ratio"] == full["file_bytes"] / xnor["file_bytes"] > 2
    assert "| text_classifier | messages | xnor | int8 | f1 |" in (tmp_path / "results" / "table.md").read_text()


def test_bits_stand_in_the_table_as_bits_and_fractions_as_percent() -> None:
    bits = table([row("full", 1.41, 0.0), row("xnor", 1.532, 0.122)])
    assert "| xnor | int8 | bits_per_character | 1.53 | 0.12 |" in bits
    share = table([row("full", 0.971, 0.0, "exact_match"), row("xnor", 0.95, 0.021, "exact_match")])
    assert "| xnor | int8 | exact_match | 95.00 % | 2.10 |" in share


def test_bits_are_drawn_too() -> None:
    assert plot([row("full", 1.41, 0.0), row("xnor", 1.53, 0.12)]).startswith(b"\x89PNG")
