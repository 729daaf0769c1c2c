"""The steps of recurrent layers in training, all at once, beside a plain loop that autograd follows."""

import pytest
import torch

from edgenet.nn import sign, step_mask
from edgenet.nn.estimators import get_estimator
from edgenet.nn.recurrence import Packing, recur
from edgenet.nn.recurrent_cells import ElmanCell, GRUCell, LSTMCell

STEPS, SAMPLES, HIDDEN = 6, 4, 5
LENGTHS = torch.tensor([2, 6, 1, 4])
of_every_cell = pytest.mark.parametrize("kind", [ElmanCell, LSTMCell, GRUCell])


def parameters(kind, scheme):
    outputs = HIDDEN * len(kind.initial_bias)

    def some(*shape):
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    return {
        "u": some(STEPS, SAMPLES, outputs),
        "weight": some(outputs, HIDDEN),
        "hidden_bias": some(HIDDEN) if kind.has_hidden_bias else None,
        "threshold": some(HIDDEN) if scheme == "xnor" else None,
        "initial": tuple(some(SAMPLES, HIDDEN) for _ in range(kind.states)),
    }


def by_a_loop(cell, scheme, mask, u, weight, hidden_bias, threshold, initial):
    state, states = initial, []
    for u_t, addend, real in zip(u, cell.addend(u, hidden_bias), mask, strict=True):
        seen = sign(state[0], "approx_sign", threshold) if scheme == "xnor" else cell.output(state[0])
        following = cell.step(seen @ weight.t() + addend, u_t, state)
        state = tuple(torch.where(real[:, None], *pair) for pair in zip(following, state, strict=True))
        states.append(torch.where(real[:, None], state[0], 0.0))
    return torch.stack(states), state


def at_once(cell, scheme, mask, u, weight, hidden_bias, threshold, initial):
    packing = Packing.of(None if mask.all() else mask, STEPS, SAMPLES)
    estimator = get_estimator("approx_sign") if scheme == "xnor" else None
    states, final = recur(
        packing.pack(u), weight, packing.sort(initial), packing, cell, hidden_bias=hidden_bias, estimator=estimator,
        threshold=threshold,
    )  # fmt: skip
    return packing.unpack(states, STEPS, SAMPLES), packing.unsort(final)


@of_every_cell
@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
@pytest.mark.parametrize("padded", [False, True])
def test_states_and_gradients_are_those_of_a_loop(kind, scheme, padded):
    torch.manual_seed(0)
    cell = kind(scheme)
    mask = step_mask(LENGTHS, STEPS) if padded else torch.ones(STEPS, SAMPLES, dtype=torch.bool)
    arguments = parameters(kind, scheme)
    leaves = [tensor for tensor in (*arguments.values(), *arguments["initial"]) if isinstance(tensor, torch.Tensor)]
    results = []
    for run in (by_a_loop, at_once):
        states, final = run(cell, scheme, mask, **arguments)
        weights = torch.arange(1.0, states.numel() + 1, dtype=torch.float64).sin().view_as(states)
        loss = (states * weights).sum() + sum((number + 2) * tensor.sin().sum() for number, tensor in enumerate(final))
        results.append(((states, final), torch.autograd.grad(loss, leaves)))
    torch.testing.assert_close(results[1], results[0])
    assert all(gradient.any() for gradient in results[0][1])


def test_packing_puts_the_longest_sequence_first_and_back_again():
    x = torch.arange(STEPS * SAMPLES).view(STEPS, SAMPLES, 1)
    mask = step_mask(LENGTHS, STEPS)
    packing = Packing.of(mask, STEPS, SAMPLES)
    assert packing.sizes == [4, 3, 2, 2, 1, 1]
    assert packing.pack(x)[packing.rows[2]].flatten().tolist() == [9, 11]
    assert torch.equal(packing.unpack(packing.pack(x), STEPS, SAMPLES), torch.where(mask[..., None], x, 0))
    state = (torch.arange(SAMPLES).unsqueeze(1),)
    assert packing.sort(state)[0].flatten().tolist() == [1, 3, 0, 2]
    assert torch.equal(packing.unsort(packing.sort(state))[0], state[0])


def test_steps_that_no_sequence_reaches_count_nowhere():
    packing = Packing.of(step_mask(torch.tensor([2, 1]), 5), 5, 2)
    assert packing.sizes == [2, 1]
