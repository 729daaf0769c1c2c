"""Two processes, joined by gloo on the CPU, train what one trains."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgenet.errors import EdgenetError
from edgenet.training.objectives import TensorBatch
from edgenet.training.processes import Processes, Share
from tests.training.data import make_stripes
from tests.training.sequences import write_rhymes
from tests.training.several_processes import run

ROOT = Path(__file__).parents[2]
# A tenth of one step of the optimizer, which makes whole steps even of gradients that are next to rounding.
CLOSE = 5e-4


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A folder with the networks of one process and of two, and the losses of either."""
    root = tmp_path_factory.mktemp("processes")
    make_stripes(root / "stripes")
    (root / "rhymes").mkdir()
    write_rhymes(root / "rhymes" / "train.txt", 60)

    def interrupt(event):
        if (event.kind, event.scheme, event.epoch) == ("epoch", "bwn", 1):
            raise KeyboardInterrupt

    alone = {name: run(1, root, f"{name}-one") for name in ("images", "text")}
    with pytest.raises(KeyboardInterrupt):
        run(1, root, "interrupted", on_event=interrupt)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "tests.training.several_processes", "2", str(root)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == done.stdout == ""
    return root, alone, json.loads((root / "losses.json").read_text())


@pytest.mark.parametrize("name", ["images", "text"])
def test_losses_are_those_of_one_process(both, name):
    _, alone, two = both
    expected, found = alone[name], two[f"{name}-two"]
    assert [tuple(entry[:2]) for entry in found] == [entry[:2] for entry in expected]
    np.testing.assert_allclose([entry[2] for entry in found], [entry[2] for entry in expected], rtol=1e-4)


# In xnor networks of convolutions rounding soon moves a sum across a threshold, and the two go different ways.
@pytest.mark.parametrize(
    ("name", "scheme"), [("images", "full"), ("images", "bwn"), ("text", "full"), ("text", "xnor")]
)
def test_weights_and_statistics_are_those_of_one_process(both, name, scheme):
    one, two = (load_file(both[0] / f"{name}-{number}" / f"{scheme}.safetensors") for number in ("one", "two"))
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_allclose(two[key], one[key], rtol=1e-3, atol=CLOSE, err_msg=key)


def test_two_processes_go_on_where_one_was_interrupted(both):
    root, alone, two = both
    assert [tuple(entry[:2]) for entry in two["interrupted"]] == [("bwn", 2)]
    np.testing.assert_allclose(two["interrupted"][0][2], alone["images"][3][2], rtol=1e-4)
    for scheme in ("full", "bwn"):
        one, resumed = (load_file(root / name / f"{scheme}.safetensors") for name in ("images-one", "interrupted"))
        for key in one:
            np.testing.assert_allclose(resumed[key], one[key], rtol=1e-3, atol=CLOSE, err_msg=key)


def test_checkpoints_say_how_many_trained_them_and_nothing_else_is_left(both):
    root = both[0]
    found = {name: json.loads((root / name / "bwn.json").read_text()) for name in ("images-one", "images-two")}
    assert [found[name].pop("processes") for name in found] == [1, 2]
    varying = {"training_seconds", "accuracy"}
    one, two = ({key: entry[key] for key in entry if key not in varying} for entry in found.values())
    assert one == two
    assert not list((root / "images-two" / "training-state").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": 0}, "0 devices on 1 nodes: use 1 or more of each"),
        ({"strategy": "fsdp"}, "unknown strategy 'fsdp': use one of auto, ddp, "),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(EdgenetError, match=message):
        Processes(**options)


def test_a_batch_that_is_too_small_to_share_is_refused(monkeypatch):
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 0)
    batch = TensorBatch(torch.zeros(2, 1), torch.zeros(2))
    assert len(next(iter(Share([batch], Processes(2)))).targets) == 1
    with pytest.raises(EdgenetError, match="a batch of 2 samples cannot be shared by 3 processes"):
        next(iter(Share([batch], Processes(3))))
