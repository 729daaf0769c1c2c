"""`edgenet bench --robustness` and the attack behind it."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from edgenet.analysis.robustness import EPSILONS, accuracy_under_attack, attack, measure_robustness
from edgenet.bench.results import ROW_KEYS, read_result
from edgenet.cli import main
from edgenet.errors import EdgenetError
from edgenet.exporter import export
from edgenet.tasks.held_out import HeldOut
from edgenet.tasks.pictures import PicturePreprocessing
from edgenet.training import train
from tests.training.data import make_stripes

NETWORK = "tests.training.data:tiny"
PREPROCESSING = PicturePreprocessing(1, 2, 2, (2, 2), np.array([0.5], np.float32), np.array([0.25], np.float32))


def brightness() -> nn.Module:
    """Class 1 where a picture's four pixels are 2 brighter in sum than the middle, else class 0."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[-1.0] * 4, [1.0] * 4]))
        model[1].bias.zero_()
    return model


def samples(*pixels: float) -> torch.Tensor:
    return torch.tensor([[[[pixel] * 2] * 2] for pixel in pixels]).sub(0.5).div(0.25)


def test_every_pixel_moves_by_epsilon_of_its_range_against_the_right_class():
    x = samples(0.6, 0.3)
    moved = attack(brightness(), x, torch.tensor([1, 0]), 0.1, PREPROCESSING)
    torch.testing.assert_close(moved, samples(0.5, 0.4))


def test_pixels_stay_within_what_a_picture_can_hold():
    moved = attack(brightness(), samples(0.05, 0.95), torch.tensor([1, 0]), 0.2, PREPROCESSING)
    torch.testing.assert_close(moved, samples(0.0, 1.0))


def test_accuracy_falls_where_the_strength_reaches_the_margin():
    held_out = HeldOut(samples(0.55, 0.65, 0.8, 0.3).numpy(), np.array([1, 1, 1, 0]))
    assert accuracy_under_attack(brightness(), held_out, PREPROCESSING, (0, 0.1, 0.18, 0.5)) == [1, 0.75, 0.5, 0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder of full and xnor."""
    folder = tmp_path_factory.mktemp("attacked")
    make_stripes(folder / "stripes")
    schemes = ["full", "xnor"]
    networks = train(NETWORK, schemes, folder / "stripes", epochs=3, out=folder / "run", on_event=lambda event: None)
    for network in networks:
        known = {key: network.metadata[key] for key in ("model", "task", "preprocessing")}
        export(network.model, torch.zeros(1, 3, 10, 10), folder / "run" / f"{network.scheme}.onnx", metadata=known)
    return folder / "run"


def test_every_checkpoint_is_attacked_on_the_runs_samples(run):
    from tests.training.data import tiny

    found = measure_robustness(run, tiny)
    assert list(found) == ["full", "xnor"]
    for scheme, entry in found.items():
        assert (entry["attack"], entry["network"], entry["samples"]) == ("fgsm", f"{scheme}.safetensors", 10)
        assert [point["epsilon"] for point in entry["accuracies"]] == list(EPSILONS)
        values = [point["value"] for point in entry["accuracies"]]
        assert values[0] == json.loads((run / f"{scheme}.json").read_text())["accuracy"]["value"]
        assert values[-1] <= values[0]


def test_the_result_and_the_table_say_what_was_attacked(run, tmp_path):
    words = ["bench", str(run), "--robustness", "--model", NETWORK, "--json", str(tmp_path / "result.json")]
    done = CliRunner().invoke(main, [*words, "--min-runs", "2", "--min-seconds", "0.01"])
    assert done.exit_code == 0, done.output
    assert "accuracy under attack" in done.output
    assert "unharmed" in done.output
    assert "2/255" in done.output
    rows = read_result(tmp_path / "result.json")["rows"]
    assert {row["scheme"]: row["robustness"]["network"] for row in rows} == {
        "full": "full.safetensors", "xnor": "xnor.safetensors",
    }  # fmt: skip


def test_results_from_before_the_key_are_read(tmp_path):
    row = dict.fromkeys(ROW_KEYS)
    del row["robustness"]
    (tmp_path / "old.json").write_text(json.dumps({"schema": 1, "rows": [row]}))
    assert read_result(tmp_path / "old.json")["rows"][0]["robustness"] is None


def test_what_cannot_be_attacked_is_refused(run, tmp_path):
    for words, message in (
        ([str(run / "full.onnx")], "--robustness attacks the networks of one run folder"),
        ([str(run), str(run)], "--robustness attacks the networks of one run folder"),
        ([str(tmp_path)], "holds no checkpoints"),
        ([str(run)], "is of your own network"),
    ):
        done = CliRunner().invoke(main, ["bench", *words, "--robustness"])
        assert done.exit_code == 1, done.output
        assert message in done.output
    (tmp_path / "run").mkdir()
    for name in ("full.safetensors", "full.json"):
        (tmp_path / "run" / name).write_bytes((run / name).read_bytes())
    from tests.training.data import tiny

    with pytest.raises(EdgenetError, match=r"lacks samples\.npz"):
        measure_robustness(tmp_path / "run", tiny)
