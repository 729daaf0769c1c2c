"""What networks are fed: shapes from the file, from the user, and sensible ones for what the file leaves open."""

from dataclasses import dataclass

import numpy as np
import pytest

from edgenet.bench.inputs import parse_shapes, random_feeds, resolve_shapes
from edgenet.errors import EdgenetError


@dataclass
class GraphInput:
    """ONNX Runtime's description of a graph input."""

    name: str
    shape: list[int | str | None]
    type: str = "tensor(float)"


IMAGE = GraphInput("image", ["N", 3, "height", "width"])
TOKENS = GraphInput("tokens", ["batch", "length"], "tensor(int64)")
MASK = GraphInput("mask", ["batch", "length"], "tensor(bool)")


def test_shapes_are_read_with_and_without_a_name() -> None:
    assert parse_shapes(["image:1,3,64,64", "1,8"]) == {"image": [1, 3, 64, 64], "": [1, 8]}


@pytest.mark.parametrize("text", ["", "image:", "image:1,x", "image:1,0,3", "1;3", "image:-1"])
def test_a_bad_shape_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(EdgenetError, match="name:1,3,224,224"):
        parse_shapes([text])


def test_open_sizes_of_an_image_become_one_image_of_224() -> None:
    assert resolve_shapes([IMAGE], {}) == {"image": [1, 3, 224, 224]}


def test_sizes_of_one_name_are_the_same_everywhere() -> None:
    assert resolve_shapes([TOKENS, MASK], {"tokens": [2, 7]}) == {"tokens": [2, 7], "mask": [2, 7]}


def test_the_state_of_a_recurrent_network_follows_the_batch() -> None:
    inputs = [GraphInput("input", ["batch", "time", 28]), GraphInput("state", [2, "batch", 64])]
    shapes = resolve_shapes(inputs, {}, sample=[28, 28])
    assert shapes == {"input": [1, 28, 28], "state": [2, 1, 64]}
    feeds = random_feeds(inputs, shapes)
    assert not feeds["state"].any()
    assert feeds["input"].std() > 0.5


def test_an_unnamed_shape_is_the_first_inputs() -> None:
    assert resolve_shapes([IMAGE], {"": [4, 3, 32, 32]}) == {"image": [4, 3, 32, 32]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"picture": [1]}, "no input 'picture'; its inputs are image"),
        ({"image": [1, 3, 8]}, r"'image' takes \[N, 3, height, width\], not \[1, 3, 8\]"),
        ({"image": [1, 4, 8, 8]}, r"not \[1, 4, 8, 8\]"),
    ],
)
def test_a_shape_that_contradicts_the_file_is_refused(given: dict[str, list[int]], message: str) -> None:
    with pytest.raises(EdgenetError, match=message):
        resolve_shapes([IMAGE], given)


def test_integers_and_flags_are_made_up_too() -> None:
    feeds = random_feeds([TOKENS, MASK], {"tokens": [1, 4], "mask": [1, 4]})
    assert feeds["tokens"].dtype == np.int64
    assert feeds["mask"].all()


def test_strings_cannot_be_made_up() -> None:
    with pytest.raises(EdgenetError, match=r"tensor\(string\)"):
        random_feeds([GraphInput("text", [1], "tensor(string)")], {"text": [1]})
