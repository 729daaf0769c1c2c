"""Training on a data set whose files lie in a folder of the user's."""

import json
from pathlib import Path

import numpy as np

from edgenet.training import train
from tests.tasks.archives import grey_images, write_idx


def test_mnist_of_ones_own_folder_is_trained_on_and_carried_in_the_run(tmp_path: Path) -> None:
    data_dir, run = write_idx(tmp_path / "data"), tmp_path / "run"
    train("lenet5", ["full"], "mnist", epochs=1, out=run, data_dir=data_dir, on_event=lambda event: None)
    written = json.loads((run / "full.json").read_text())
    assert (written["data"], written["training_samples"], written["accuracy"]["samples"]) == ("mnist", 20, 10)
    with np.load(run / "samples.npz") as samples:
        assert samples["targets"].tolist() == grey_images("t10k")[1].tolist()
        assert samples["inputs"].shape == (10, 1, 32, 32)
