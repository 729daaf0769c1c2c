import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.nn import BinaryLSTM, calibrate, run_recurrent
from edgenet.training.truncated import detach_state, truncated_backpropagation


class Labeller(nn.Module):
    def __init__(self, rnn):
        super().__init__()
        self.rnn, self.fc = rnn, nn.Linear(5, 4)

    def forward(self, x, state=None, lengths=None):
        output, state = run_recurrent(self.rnn, x, state, lengths)
        return self.fc(output), state


@pytest.fixture(params=["float GRU", "binary LSTM"])
def network(request):
    torch.manual_seed(0)
    if request.param == "float GRU":
        return Labeller(nn.GRU(3, 5, 2, batch_first=True))
    rnn = BinaryLSTM(3, 5, 2, batch_first=True)
    calibrate(rnn, torch.randn(8, 6, 3))
    return Labeller(rnn.eval())  # statistics stand still, so that a chunk sees what the whole sees


def gradients(network):
    found = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    return found


INPUTS, TARGETS = torch.randn(4, 12, 3), torch.randint(0, 4, (4, 12))


def test_one_chunk_is_back_propagation_in_full(network):
    loss, state = truncated_backpropagation(network, INPUTS, TARGETS, F.cross_entropy, 12)
    found = gradients(network)
    logits, final = network(INPUTS)
    expected = F.cross_entropy(logits.flatten(0, 1), TARGETS.flatten())
    expected.backward()
    torch.testing.assert_close(found, gradients(network))
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(state, detach_state(final))


@pytest.mark.parametrize("steps", [1, 5, 6])
def test_chunks_give_the_gradients_of_the_whole_that_is_cut_at_their_borders(network, steps):
    loss, state = truncated_backpropagation(network, INPUTS, TARGETS, F.cross_entropy, steps)
    found = gradients(network)
    pieces, carried = [], None
    for piece in INPUTS.split(steps, 1):
        logits, carried = network(piece, carried)
        carried = detach_state(carried)
        pieces.append(logits)
    F.cross_entropy(torch.cat(pieces, 1).flatten(0, 1), TARGETS.flatten()).backward()
    torch.testing.assert_close(found, gradients(network))
    whole, final = network(INPUTS)
    torch.testing.assert_close(loss, F.cross_entropy(whole.flatten(0, 1), TARGETS.flatten()).detach())
    torch.testing.assert_close(state, detach_state(final))


def test_gradients_beyond_a_border_are_left_out(network):
    truncated_backpropagation(network, INPUTS, TARGETS, F.cross_entropy, 3)
    truncated = gradients(network)
    truncated_backpropagation(network, INPUTS, TARGETS, F.cross_entropy, 12)
    full = gradients(network)
    torch.testing.assert_close(truncated["fc.weight"], full["fc.weight"])  # the read-out has no past
    recurrent = [name for name in full if "hh" in name or "hidden.weight" in name]
    assert recurrent
    assert all(not torch.allclose(truncated[name], full[name], rtol=1e-3) for name in recurrent)


def test_padding_counts_nowhere_and_ended_sequences_keep_their_state(network):
    lengths = torch.tensor([12, 2, 7, 5])
    loss, state = truncated_backpropagation(network, INPUTS, TARGETS, F.cross_entropy, 5, lengths=lengths)
    found = gradients(network)
    total = 0.0
    for row, length in enumerate(lengths.tolist()):
        part = INPUTS[row : row + 1, :length], TARGETS[row : row + 1, :length]

        def share(logits, targets):
            return F.cross_entropy(logits, targets, reduction="sum") / 26

        truncated_backpropagation(network, *part, lambda a, b, n=length: share(a, b) * n / len(b), 5)
        logits, final = network(part[0])
        total += float(F.cross_entropy(logits[0], part[1][0], reduction="sum").detach()) / 26
        for tensors in zip(*((s if isinstance(s, tuple) else (s,)) for s in (state, final)), strict=True):
            torch.testing.assert_close(tensors[0][:, row], tensors[1][:, 0].detach())
    torch.testing.assert_close(found, gradients(network))
    assert float(loss) == pytest.approx(total, rel=1e-5)


def test_the_state_goes_on_in_a_later_call(network):
    _, state = truncated_backpropagation(network, INPUTS[:, :7], TARGETS[:, :7], F.cross_entropy, 4)
    _, end = truncated_backpropagation(network, INPUTS[:, 7:], TARGETS[:, 7:], F.cross_entropy, 4, state=state)
    torch.testing.assert_close(end, detach_state(network(INPUTS)[1]))


def test_an_optimizer_can_step_after_each_chunk(network):
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    steps = []

    def step():
        optimizer.step()
        optimizer.zero_grad()
        steps.append(1)

    losses = [
        float(truncated_backpropagation(network, INPUTS, TARGETS, F.cross_entropy, 4, after_chunk=step)[0])
        for _ in range(15)
    ]
    assert len(steps) == 15 * 3
    assert losses[-1] < losses[0]


def test_no_steps_are_refused(network):
    with pytest.raises(EdgenetError, match="chunks of 0 steps: use 1 or more"):
        truncated_backpropagation(network, INPUTS, TARGETS, F.cross_entropy, 0)
