import pytest
import torch
from torch import nn

import edgenet.nn as enn
from edgenet.errors import EdgenetError
from edgenet.nn import BinaryEmbedding, Int8Embedding

TOKENS = torch.tensor([[0, 3, 3], [9, 1, 0]])


@pytest.fixture
def full():
    torch.manual_seed(0)
    return nn.Embedding(10, 20, padding_idx=0)


@pytest.mark.parametrize("scale", ["mean", "learnable"])
def test_a_binary_embedding_is_the_signs_of_a_row_times_its_factor(full, scale):
    binary = BinaryEmbedding.from_float(full, scale=scale)
    expected = full.weight.sign() * full.weight.abs().mean(1, keepdim=True)
    torch.testing.assert_close(binary(TOKENS), expected[TOKENS])
    assert binary.weight is full.weight


def test_an_int8_embedding_is_within_half_a_step_of_the_float_one(full):
    found, expected = Int8Embedding.from_float(full)(TOKENS), full(TOKENS)
    step = full.weight.abs().amax(1)[TOKENS].unsqueeze(2) / 127
    assert ((found - expected).abs() <= step * 0.5001).all()
    whole, scale = Int8Embedding.from_float(full).quantized_weight()
    torch.testing.assert_close((whole * scale.unsqueeze(1))[TOKENS], found)


@pytest.mark.parametrize("kind", [BinaryEmbedding, Int8Embedding])
def test_the_row_for_padding_is_zero_and_stays_so(full, kind):
    layer = kind.from_float(full)
    layer(TOKENS).sum().backward()
    assert not layer(torch.tensor([0])).any()
    assert not full.weight.grad[0].any()
    assert full.weight.grad[[1, 3, 9]].any(1).all()
    assert not full.weight.grad[[2, 4, 5, 6, 7, 8]].any()


def test_gradients_of_a_learnable_factor_reach_the_rows_that_occur(full):
    layer = BinaryEmbedding.from_float(full, scale="learnable")
    layer(TOKENS).square().sum().backward()
    assert layer.scale.grad[[1, 3, 9]].all()
    assert not layer.scale.grad[[2, 4]].any()


def reader():
    return nn.ModuleDict({
        "words": nn.Embedding(10, 8),
        "lstm": nn.LSTM(8, 6, batch_first=True),
        "head": nn.Linear(6, 3),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("options", "row"),
    [
        ({}, ("quantized", "int8")),
        ({"ends": "fp32"}, ("kept", "full")),
        ({"ends": "binary"}, ("binarized", "bwn")),
        ({"embeddings": "binary"}, ("binarized", "bwn")),
        ({"embeddings": "int8", "ends": "fp32"}, ("quantized", "int8")),
        ({"embeddings": "fp32"}, ("kept", "full")),
    ],
)
def test_embeddings_are_as_the_ends_unless_asked_for_and_the_report_says_so(options, row):
    report = enn.binarize(reader(), "xnor", calibration="later", **options)
    rows = {entry.name: entry for entry in report}
    assert (rows["words"].action, rows["words"].scheme) == row
    assert (rows["words"].reason, rows["words"].weights) == ("embedding", 80)
    expected = options.get("embeddings", options.get("ends", "int8"))
    assert report.embeddings == expected
    assert f"embeddings {expected}" in str(report)


def test_the_first_layer_is_the_first_that_multiplies():
    rows = {row.name: row for row in enn.binarize(reader(), "xnor", calibration="later")}
    assert rows["lstm.layers.0.input"].reason == "first layer"
    assert rows["head"].reason == "last layer"


def test_sparse_embeddings_are_kept_and_named():
    model = reader()
    model["words"] = nn.Embedding(10, 8, sparse=True)
    rows = {row.name: row for row in enn.binarize(model, "xnor", calibration="later")}
    assert rows["words"].reason == "an embedding with sparse gradients"


def test_unknown_embeddings_are_refused():
    with pytest.raises(EdgenetError, match="unknown embeddings 'int4': use 'fp32', 'int8' or 'binary'"):
        enn.binarize(reader(), "xnor", embeddings="int4")


def test_rows_of_rare_tokens_are_not_called_starved():
    layer = nn.Sequential(BinaryEmbedding(50, 4))
    assert enn.starved_channels(layer, enn.latent_signs(layer), warn=False) == []
