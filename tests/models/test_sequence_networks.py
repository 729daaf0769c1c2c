"""What the networks over sequences of unequal lengths promise: padding, streaming, learning."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.models import create, example_inputs, get_entry
from edgenet.models.encoder_decoder import Attention
from edgenet.models.recurrent_stack import RecurrentStack
from edgenet.models.string_recognition import StringReader
from edgenet.nn import calibrate, run_recurrent

PADDED = ["text_classifier", "frame_classifier", "frame_labeller", "token_labeller", "language_model", "translator",
          "pronouncer", "captioner", "string_reader"]  # fmt: skip
PAIRS = ["translator", "pronouncer", "captioner"]
STREAMING = ["frame_labeller", "language_model"]
of_either = pytest.mark.parametrize("scheme", ["full", "xnor"])


def network(name, scheme, **options):
    """A small calibrated network in inference mode, of 7 classes."""
    model = create(name, 7, scheme, **{**get_entry(name).small, **options})
    calibrate(model, example_inputs(model, 16))
    return model.eval()


def logits_of(outputs):
    return outputs[0] if isinstance(outputs, tuple) else outputs


def longer(x, by, value):
    """x with padding of a value behind its steps, or its columns."""
    if x.dim() == 4:
        return F.pad(x, (0, by), value=value)
    return F.pad(x, (0, 0, 0, by) if x.dim() == 3 else (0, by), value=value)


@of_either
@pytest.mark.parametrize("name", PADDED)
def test_a_sample_gives_alone_what_it_gives_within_a_padded_batch(name, scheme):
    model = network(name, scheme)
    names = ["x", "state", "lengths"] if name in STREAMING else ["x", "lengths"]
    if name in PAIRS:
        names = ["x", "targets", "lengths", "target_lengths"]
    batch = dict(zip(names, example_inputs(model, 3), strict=True))
    x, lengths = batch["x"], batch["lengths"]
    if name != "captioner":
        batch["x"] = longer(x, 6, 1)
    with torch.no_grad():
        together = logits_of(model(*batch.values()))
        for row, length in enumerate(lengths.tolist()):
            alone = dict.fromkeys(names) | {"lengths": lengths[row : row + 1]}
            alone["x"] = x[row : row + 1, ..., :length] if x.dim() == 4 else x[row : row + 1, :length]
            if name in PAIRS:
                alone["targets"] = batch["targets"][row : row + 1, : batch["target_lengths"][row]]
            expected = logits_of(model(*alone.values()))[0]
            real = tuple(slice(size) for size in expected.shape)
            torch.testing.assert_close(together[row][real], expected, rtol=1e-4, atol=1e-5)


@of_either
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
@pytest.mark.parametrize("name", STREAMING)
def test_chunks_with_the_state_fed_back_give_what_the_whole_gives(name, cell, scheme):
    model = network(name, scheme, cell=cell, num_layers=3)
    x = example_inputs(model, 2)[0]
    with torch.no_grad():
        whole, final = model(x)
        pieces, state = [], None
        for piece in x.split([5, 1, x.shape[1] - 6], 1):
            logits, state = model(piece, state)
            pieces.append(logits)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state, final, rtol=1e-4, atol=1e-5)
    assert state.shape == (6 if cell == "lstm" else 3, 2, 10)


@pytest.mark.parametrize("scheme", ["full", "bwn", "xnor"])
@pytest.mark.parametrize("name", PADDED)
def test_training_lowers_the_loss_on_a_fixed_batch(name, scheme):
    model = create(name, 7, scheme, **get_entry(name).small)
    batch = example_inputs(model, 8)
    calibrate(model, batch)
    model.train()
    logits = logits_of(model(*batch))
    targets = torch.randint(1, 7, (8, 2) if name == "string_reader" else logits.shape[:-1])
    if name != "string_reader":
        targets[torch.rand(targets.shape) < 0.6] = 0  # one class is more frequent, as in real data
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def loss():
        outputs = model(*batch)
        logits = logits_of(outputs)
        if name == "string_reader":
            scores = logits.log_softmax(2).transpose(0, 1)
            return F.ctc_loss(scores, targets, outputs[1], torch.full((8,), 2))
        return F.cross_entropy(logits.flatten(0, -2), targets.flatten())

    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        losses.append(loss())
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("scheme", ["full", "bwn", "xnor"])
def test_training_on_pictures_sees_nothing_of_their_padding(scheme):
    model = network("string_reader", scheme).train()
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images, widths = example_inputs(model, 4)
    expected, steps = model(images, widths)
    statistics = {name: tensor.clone() for name, tensor in model.named_buffers()}
    model.load_state_dict(start)
    found, _ = model(longer(images, 9, 1), widths)
    torch.testing.assert_close(found[:, : expected.shape[1]], expected)
    torch.testing.assert_close(dict(model.named_buffers()), statistics)
    assert int(steps.min()) < expected.shape[1]


def test_attention_looks_at_the_real_steps_of_the_memory_only():
    attention = Attention(4, 6)
    hidden, memory, lengths = torch.randn(2, 3, 4), torch.randn(2, 5, 6), torch.tensor([5, 2])
    found = attention(hidden, memory, lengths)
    memory[1, 2:] = 99
    torch.testing.assert_close(attention(hidden, memory, lengths), found)
    torch.testing.assert_close(attention(hidden[1:], memory[1:, :2], lengths[1:]), found[1:])


def test_attention_is_that_of_the_paper():
    attention = Attention(4, 6)
    hidden, memory = torch.randn(1, 1, 4), torch.randn(1, 5, 6)
    scores = torch.stack([hidden[0, 0] @ attention.query.weight.t() @ step for step in memory[0]])
    context = (scores.softmax(0).unsqueeze(1) * memory[0]).sum(0)
    expected = torch.tanh(attention.combine(torch.cat([context, hidden[0, 0]])))
    torch.testing.assert_close(attention(hidden, memory, torch.tensor([5]))[0, 0], expected)


def test_a_shortcut_adds_what_attention_was_given():
    hidden, memory, lengths = torch.randn(2, 3, 4), torch.randn(2, 5, 6), torch.tensor([5, 2])
    attention = Attention(4, 6, shortcut=True)
    found = attention(hidden, memory, lengths)
    attention.shortcut = False
    torch.testing.assert_close(found, attention(hidden, memory, lengths) + hidden)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_shortcuts_add_what_a_layer_was_given_to_what_it_hands_on(cell, bidirectional):
    stack = RecurrentStack(cell, 5, 4, 3, bidirectional=bidirectional, dropout=0.5, shortcuts=True).eval()
    x, lengths = torch.randn(2, 6, 5), torch.tensor([6, 3])
    state = torch.randn(stack.state_tensors * 3 * stack.directions, 2, 4)
    found, final = stack(x, state, lengths)
    of_levels = state.unflatten(0, (stack.state_tensors, 3, stack.directions)).unbind(1)
    finals = []
    for rnn, tensors in zip([stack.rnn, *stack.above], of_levels, strict=True):
        output, last = run_recurrent(rnn, x, tuple(tensors) if cell == "lstm" else tensors[0], lengths)
        x = output + x if finals else output
        finals.append(torch.stack(last) if cell == "lstm" else last.unsqueeze(0))
    torch.testing.assert_close(found, x)
    torch.testing.assert_close(final, torch.stack(finals, 1).flatten(0, 2))
    assert not found[1, 3:].any()


@pytest.mark.parametrize("width", [28, 29, 30, 31, 96])
def test_the_steps_of_a_picture_are_those_that_its_columns_make(width):
    model = StringReader(nn.ReLU, "gru", 5, 1, 32, 4, 6, 1).eval()
    logits, steps = model(torch.zeros(1, 1, 32, width))
    assert logits.shape[1] == int(steps) == int(StringReader.widths(torch.tensor(width))[2])
    assert int(steps) >= width // 4 - 2


def test_a_caption_is_read_off_places_of_the_picture():
    model = network("captioner", "full")
    memory, state, places = model.encoder(torch.randn(3, 1, 28, 28))
    assert (tuple(memory.shape), tuple(state.shape), places.tolist()) == ((3, 49, 32), (2, 3, 16), [49] * 3)


@pytest.mark.parametrize(
    ("name", "first"), [("captioner", "encoder.conv1"), ("translator", "encoder.stack.rnn.layers.0.input")]
)
def test_the_ends_are_what_sees_the_input_first_and_what_speaks_last(name, first):
    rows = {row.name: row.scheme for row in create(name, 7, "xnor", **get_entry(name).small).binarization_report}
    assert rows[first] == rows["decoder.fc"] == "int8"
    assert rows["encoder.bridge"] == "xnor"


def test_an_unknown_cell_is_refused():
    with pytest.raises(EdgenetError, match="unknown cell 'peephole': use one of elman, lstm, gru"):
        RecurrentStack("peephole", 3, 4)
