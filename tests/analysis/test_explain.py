"""`edgenet explain` and the Grad-CAM behind it."""

import io

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from edgenet.analysis.grad_cam import explain
from edgenet.cli import main
from edgenet.errors import EdgenetError
from edgenet.training import train
from tests.training.data import make_stripes
from tests.training.sequences import write_messages

NETWORK = "tests.training.data:tiny"


class Corners(nn.Module):
    """The brightness of the picture, as maps; class 1 counts its left half, class 0 its right one."""

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.pool = nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(8)
        with torch.no_grad():
            self.maps.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.pool(self.maps(x))
        return torch.stack([maps[:, 0, :, 4:].sum((1, 2)), maps[:, 0, :, :4].sum((1, 2))], 1)


def test_heat_is_the_positive_part_of_the_maps_by_their_mean_gradients():
    sample = torch.zeros(1, 1, 8, 8)
    sample[0, 0, 2, 1] = 1
    found = explain(Corners(), sample)
    assert (found.predicted, found.layer, found.grid) == (1, "maps", (8, 8))
    assert found.probability == pytest.approx(torch.tensor([0.0, 1.0]).softmax(0)[1].item())
    # dy/dA is 1 on the left of map 0 and 0 elsewhere, so that its mean is 1/2 and that of map 1 is 0.
    np.testing.assert_allclose(found.heat, sample[0, 0])


def test_maps_smaller_than_the_image_are_enlarged_to_it():
    model = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(75, 4)).eval()
    found = explain(model, torch.randn(1, 1, 10, 10, generator=torch.Generator().manual_seed(0)))
    assert (found.layer, found.grid, found.heat.shape) == ("1", (5, 5), (10, 10))
    assert found.heat.min() >= 0
    assert found.heat.max() <= 1
    assert explain(model, torch.zeros(1, 1, 10, 10), "0").layer == "0"


@pytest.mark.parametrize(
    ("layer", "message"), [("9", "layer '9' is unknown: use one such as 0, 1"), ("3", "layer '3' hands on no feature")]
)
def test_layers_without_feature_maps_are_refused(layer, message):
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(75, 4)).eval()
    with pytest.raises(EdgenetError, match=message):
        explain(model, torch.zeros(1, 1, 7, 7), layer)


def test_a_network_without_any_is_refused():
    with pytest.raises(EdgenetError, match="no layer with feature maps"):
        explain(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.zeros(1, 1, 2, 2))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    make_stripes(folder / "stripes")
    train(NETWORK, data=folder / "stripes", epochs=1, out=folder / "run", on_event=lambda event: None)
    return folder


def call(*words):
    return CliRunner().invoke(main, ["explain", *map(str, words)])


def test_the_picture_has_the_input_and_a_panel_a_network(place):
    image = place / "stripes" / "vertical" / "00.png"
    done = call(place / "run", "--image", image, "--model", NETWORK)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["full", "bwn", "xnor"]
    assert all("al, " in line and "%; by body.9 (4x4)" in line for line in lines[:3]), lines
    written = place / "run" / "explain-00.png"
    assert lines[3] == f"Wrote {written}."
    picture = np.asarray(Image.open(io.BytesIO(written.read_bytes())).convert("RGB"))
    assert picture.shape[1] > 3 * picture.shape[0]
    # The input is grey, as are the stripes; what lies over the other three is coloured.
    colour = (picture.max(2).astype(int) - picture.min(2)).max(0)
    quarters = [part.max() for part in np.array_split(colour, 4)]
    assert min(quarters[1:]) > quarters[0]


def test_another_layer_and_file_can_be_named(place):
    done = call(
        place / "run", "--image", place / "stripes" / "vertical" / "01.png", "--layer", "body.1", "--out",
        place / "other.png", "--model", NETWORK,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.output.count("body.1 (8x8)") == 3
    assert (place / "other.png").is_file()


def test_what_cannot_be_explained_is_refused_in_a_sentence(place):
    image = place / "stripes" / "vertical" / "00.png"
    write_messages(place / "messages.tsv", 40)
    options = {"embedding_size": 4, "hidden_size": 4}
    train(
        "text_classifier", ["full"], place / "messages.tsv", epochs=0, out=place / "texts", options=options,
        on_event=lambda event: None,
    )  # fmt: skip
    for words, message in (
        ((place, "--image", image), "holds no checkpoints (full.safetensors, bwn.safetensors or xnor.safetensors)"),
        ((place / "run", "--image", image), f"is of your own network {NETWORK}: pass its factory (--model {NETWORK})"),
        ((place / "texts", "--image", image), "text_classifier (sequence-classification): this is for classifiers of"),
        ((place / "run", "--image", place / "messages.tsv", "--model", NETWORK), "cannot be read"),
        ((place / "run", "--image", place / "no.png", "--model", NETWORK), "cannot be read"),
        ((place / "run", "--image", image, "--out", place, "--model", NETWORK), "cannot be written"),
        ((place / "run", "--image", image, "--out", place / "no" / "x.png", "--model", NETWORK), "cannot be written"),
    ):
        done = call(*words)
        assert done.exit_code == 1, done.output
        assert message in done.output
        assert len(done.output.strip().splitlines()) == 1, done.output
