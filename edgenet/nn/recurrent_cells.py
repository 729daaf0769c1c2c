"""What tells the recurrent layers apart: their gates, their state, and the step from one state to the next."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

State = tuple[Tensor, ...]
"""The state of one layer, tensors [N, H]; the first is what the hidden half sees."""
Function = Callable[[Tensor], Tensor]


def hard_sigmoid(a: Tensor) -> Tensor:
    """`min(max(a / 4 + 1/2, 0), 1)`: the logistic function's tangent at 0, clipped; exact on every path."""
    return (a * 0.25 + 0.5).clamp(0.0, 1.0)


def hard_tanh(a: Tensor) -> Tensor:
    """`min(max(a, -1), 1)` (Courbariaux et al. 2016, arXiv:1602.02830, section 1.3)."""
    return a.clamp(-1.0, 1.0)


class Cell(ABC):
    """One step of a recurrent layer, given the pre-activations of its gates.

    `a = hidden_scale * (hidden_weight @ s) + addend` with s the signs of the state (`xnor`) or its `output` (`bwn`).
    `bwn` cells use the logistic function and tanh, `xnor` cells the hard functions, as `export/SPEC.md` has it.
    """

    initial_bias: ClassVar[tuple[float, ...]]
    """Of each gate, in torch's order."""
    states: ClassVar[int] = 1
    """Number of tensors of its state."""
    has_hidden_bias: ClassVar[bool] = False
    """Whether the last gate has a bias of its own in the hidden half."""
    holding_input: ClassVar[tuple[float, ...]] = ()
    """Of each gate, the input half that keeps all but the state's first tensor as they are; () where there are none."""

    def __init__(self, scheme: str) -> None:
        self.gate: Function = hard_sigmoid if scheme == "xnor" else torch.sigmoid
        self.squash: Function = hard_tanh if scheme == "xnor" else torch.tanh

    def output(self, state: Tensor) -> Tensor:
        """What the layer hands on of its state's first tensor."""
        return state

    def addend(self, u: Tensor, hidden_bias: Tensor | None) -> Tensor:
        """What is added to the product of the hidden half, of input halves u [T, N, gates * H]."""
        return u

    def split_bias(self, bias: Tensor) -> tuple[Tensor, Tensor | None]:
        """A bias [gates * H] of the hidden half: what of it can move to the input half, and what cannot [H]."""
        if not self.has_hidden_bias:
            return bias, None
        hidden_size = len(bias) // len(self.initial_bias)
        return F.pad(bias[:-hidden_size], (0, hidden_size)), bias[-hidden_size:]

    @abstractmethod
    def step(self, a: Tensor, u: Tensor, state: State) -> State:
        """The next state, of pre-activations a and the input half u [N, gates * H]."""


class ElmanCell(Cell):
    """`p[t] = a`, output tanh(p) (Elman 1990). The state is the pre-activation p; tanh in either scheme."""

    initial_bias = (0.0,)

    def output(self, state: Tensor) -> Tensor:
        return torch.tanh(state)

    def step(self, a: Tensor, u: Tensor, state: State) -> State:
        return (a,)


class LSTMCell(Cell):
    """`c[t] = s(f) c[t-1] + s(i) k(g)`, `h[t] = s(o) k(c[t])` with a in gates i, f, g, o; the state is (h, c).

    Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, its bias 1 at first (Jozefowicz et al.
    2015, An empirical exploration of recurrent network architectures).
    """

    initial_bias = (0.0, 1.0, 0.0, 0.0)
    states = 2
    # Far beyond what a hidden half adds: s(i) is 0 and s(f) is 1, exactly, with soft gates as with hard ones.
    holding_input = (-1e9, 1e9, 0.0, 0.0)

    def step(self, a: Tensor, u: Tensor, state: State) -> State:
        i, f, g, o = a.chunk(4, 1)
        cell = self.gate(f) * state[1] + self.gate(i) * self.squash(g)
        return self.gate(o) * self.squash(cell), cell


class GRUCell(Cell):
    """`n = k(s(r) a_n + u_n)`, `h[t] = (1 - s(z)) n + s(z) h[t-1]` with gates r, z, n.

    Cho et al. 2014, arXiv:1406.1078. The reset gate is applied to the product, bias and all, as in `torch.nn.GRU`: a_n
    holds no input half.
    """

    initial_bias = (0.0, 0.0, 0.0)
    has_hidden_bias = True

    def addend(self, u: Tensor, hidden_bias: Tensor | None) -> Tensor:
        assert hidden_bias is not None
        hidden_size = len(hidden_bias)
        return torch.cat([u[..., :-hidden_size], hidden_bias.expand(*u.shape[:-1], hidden_size)], -1)

    def step(self, a: Tensor, u: Tensor, state: State) -> State:
        r, z, n = a.chunk(3, 1)
        candidate = self.squash(self.gate(r) * n + u.chunk(3, 1)[2])
        z = self.gate(z)
        return ((1 - z) * candidate + z * state[0],)
