"""The networks over sequences as an app runs them: exported, then decoded without torch."""

import numpy as np
import pytest
import torch

import edgenet
from edgenet.errors import EdgenetError
from edgenet.exporter.encoder_decoder import export_encoder_decoder
from edgenet.models import create, example_inputs, get_entry
from edgenet.nn import calibrate
from edgenet.runtime import InferenceSession
from edgenet.runtime.ctc import ctc_beam, ctc_greedy
from edgenet.runtime.decoding import SequenceDecoder
from edgenet.runtime.inspection import inspect

FORMS = [
    ("text_classifier", "bwn"),
    ("frame_classifier", "xnor"),
    ("language_model", "xnor"),
    ("string_reader", "xnor"),
]
PAIRS = [("pronouncer", "full"), ("translator", "xnor"), ("captioner", "bwn")]


def network(name, scheme, ends="int8"):
    torch.manual_seed(0)
    model = create(name, 7, scheme, ends=ends, **get_entry(name).small)
    calibrate(model, example_inputs(model, 32))
    return model.eval()


@pytest.mark.parametrize(("name", "scheme"), FORMS)
def test_networks_of_padded_batches_agree_with_torch_and_are_named_layer_by_layer(name, scheme, tmp_path):
    model = network(name, scheme)
    inputs = example_inputs(model, 40)
    samples = {"input": inputs[0], "lengths": inputs[-1]}
    result = edgenet.export(model, inputs[0][:1], tmp_path / "network.onnx", samples=samples)
    assert min(result.agreement.values()) >= 0.995
    layers = {layer.name for layer in inspect(result.path).layers}
    assert {row.name for row in model.binarization_report} <= layers


def test_a_picture_of_any_width_becomes_a_string(tmp_path):
    model = network("string_reader", "bwn", ends="fp32")
    images, widths = example_inputs(model, 8)
    samples = {"input": images, "lengths": widths}
    result = edgenet.export(model, images[:1], tmp_path / "reader.onnx", samples=samples)
    session = InferenceSession(result.path)
    wide = torch.randn(2, 1, 32, 301)
    with torch.no_grad():
        expected, expected_steps = model(wide, torch.tensor([301, 120]))
    logits, steps = session.run({"input": wide.numpy(), "lengths": np.array([301, 120])})
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    assert steps.tolist() == expected_steps.tolist()
    for decode in (ctc_greedy, ctc_beam):
        together = decode(logits, steps)
        narrow, count = session.run({"input": wide[1:, ..., :120].numpy()})
        assert decode(narrow, count) == together[1:]


@pytest.fixture(scope="module", params=PAIRS, ids=" ".join)
def pair(request, tmp_path_factory):
    name, scheme = request.param
    model = network(name, scheme)
    with torch.no_grad():
        model.decoder.fc.weight.mul_(4)  # without training only rounding would decide between tokens
    folder = tmp_path_factory.mktemp(name)
    x, targets, lengths, _ = example_inputs(model, 40)
    return name, model, export_encoder_decoder(model, x, targets, folder, lengths=lengths)


def test_an_encoder_and_its_decoder_agree_with_torch(pair):
    name, model, results = pair
    assert set(results) == {"encoder", "decoder"}
    for part, result in results.items():
        assert min(result.agreement.values()) >= 0.995
        if name != "pronouncer":
            names = {layer.name for layer in inspect(result.path).layers}
            rows = [row.name for row in model.binarization_report if row.name.startswith(part)]
            assert rows
            assert {row.removeprefix(f"{part}.") for row in rows} <= names


@torch.no_grad()
def by_torch(model, x, lengths, begin, end, steps):
    """Greedy decoding with the whole network again after each token."""
    strings = []
    for row, length in enumerate(lengths.tolist()):
        sample, said = x[row : row + 1, :length] if x.dim() == 2 else x[row : row + 1], [begin]
        while len(said) <= steps and end not in said[1:]:
            said.append(int(model(sample, torch.tensor([said]))[0, -1].argmax()))
        strings.append([token for token in said[1:] if token != end])
    return strings


def test_an_app_decodes_what_torch_decodes(pair):
    name, model, results = pair
    x, _, lengths, _ = example_inputs(model, 5)
    sessions = [InferenceSession(results[part].path) for part in ("encoder", "decoder")]
    decoder = SequenceDecoder(*sessions, begin=2, end=3)
    given = None if name == "captioner" else lengths.numpy()
    found = decoder.greedy(x.numpy(), given, max_steps=8)
    assert found == by_torch(model, x, lengths, 2, 3, 8)
    assert decoder.beam(x.numpy(), given, max_steps=8, width=1, length_penalty=0) == found


def test_a_beam_finds_likelier_strings_on_the_whole(pair):
    name, model, results = pair
    x, _, lengths, _ = example_inputs(model, 20)
    sessions = [InferenceSession(results[part].path) for part in ("encoder", "decoder")]
    decoder = SequenceDecoder(*sessions, begin=2, end=3)
    given = None if name == "captioner" else lengths.numpy()
    # Of a single sample it may be the other way round: what is likeliest in the end can fall out of the beam.
    greedy, beam = (
        sum(score(model, x, lengths, row, string) for row, string in enumerate(strings))
        for strings in (
            decoder.greedy(x.numpy(), given, max_steps=8),
            decoder.beam(x.numpy(), given, max_steps=8, width=4, length_penalty=0),
        )
    )
    assert beam > greedy


@torch.no_grad()
def score(model, x, lengths, row, string):
    """Log probability of a string, with its end where it has one."""
    sample = x[row : row + 1, : int(lengths[row])] if x.dim() == 2 else x[row : row + 1]
    said = [2, *string, *([3] if len(string) < 8 else [])]
    scores = model(sample, torch.tensor([said[:-1]]))[0].log_softmax(1)
    return float(scores[torch.arange(len(said) - 1), torch.tensor(said[1:])].sum())


def test_other_files_are_no_encoder_and_decoder(pair):
    decoder = InferenceSession(pair[2]["decoder"].path)
    with pytest.raises(EdgenetError, match="an encoder's outputs are memory, state and memory_lengths"):
        SequenceDecoder(decoder, decoder, 2, 3)
