"""All steps of a recurrent layer in training, with back-propagation through time written out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from edgenet.nn.estimators import Estimator
from edgenet.nn.functional import sign, stochastic_sign
from edgenet.nn.recurrent_cells import Cell, ElmanCell, GRUCell, LSTMCell, State


@dataclass(frozen=True)
class Packing:
    """Real steps of a padded batch [T, N] one behind the other, the longest sequence first (as torch's PackedSequence).

    `sizes` are how many sequences reach each step, S in sum; `order` [N] sorts them. `index` [S] says where the rows
    stand in the batch, its first two axes as one; None where nothing is padded.
    """

    sizes: list[int]
    order: Tensor | None = None
    index: Tensor | None = None

    @classmethod
    def of(cls, mask: Tensor | None, steps: int, samples: int) -> "Packing":
        """`mask` [T, N] is True at real steps, which come first; None where all are."""
        if mask is None:
            return cls([samples] * steps)
        order = mask.sum(0).argsort(descending=True, stable=True)
        in_order = mask[:, order]
        index = (torch.arange(steps, device=mask.device).unsqueeze(1) * samples + order)[in_order]
        return cls([size for size in in_order.sum(1).tolist() if size], order, index)

    @property
    def rows(self) -> list[slice]:
        """The rows of each step."""
        return [slice(*ends) for ends in pairwise(accumulate(self.sizes, initial=0))]

    def pack(self, x: Tensor) -> Tensor:
        """x [T, N, F] -> its real steps [S, F]."""
        x = x.flatten(0, 1)
        return x if self.index is None else x.index_select(0, self.index)

    def unpack(self, packed: Tensor, steps: int, samples: int) -> Tensor:
        """[S, F] -> [T, N, F], zeros at padding."""
        if self.index is not None:
            packed = packed.new_zeros(steps * samples, packed.shape[1]).index_copy(0, self.index, packed)
        return packed.unflatten(0, (steps, samples))

    def sort(self, state: State) -> State:
        """Tensors [N, H], the longest sequence first."""
        return state if self.order is None else tuple(tensor.index_select(0, self.order) for tensor in state)

    def unsort(self, state: State) -> State:
        """What `sort` was given."""
        if self.order is None:
            return state
        inverse = self.order.argsort()
        return tuple(tensor.index_select(0, inverse) for tensor in state)

    def before(self, device: torch.device) -> Tensor:
        """Of each row but those of the first step the row one step earlier [S - N]."""
        sizes = torch.tensor(self.sizes, device=device)
        return torch.arange(self.sizes[0], int(sizes.sum()), device=device) - sizes[:-1].repeat_interleave(sizes[1:])

    def last(self, device: torch.device) -> Tensor:
        """The last row of each sequence, the longest first [N]."""
        sizes = torch.tensor(self.sizes, device=device)
        starts = sizes.cumsum(0) - sizes
        samples = torch.arange(self.sizes[0], device=device)
        lengths = (samples.unsqueeze(1) < sizes).sum(1)
        return starts[lengths - 1] + samples


@dataclass(frozen=True)
class Activation:
    """What the hidden half sees of the state: signs (`estimator` given) with thresholds [H], or the cell's output."""

    cell: Cell
    estimator: Estimator | None
    stochastic: bool

    def value(self, state: Tensor, threshold: Tensor | None) -> Tensor:
        if self.estimator is not None:
            return (stochastic_sign if self.stochastic else sign)(state, self.estimator, threshold)
        return self.cell.output(state)

    def slope(self, state: Tensor, value: Tensor, threshold: Tensor | None) -> Tensor | None:
        """Its derivative, elementwise; None where it is 1."""
        if self.estimator is not None:
            return self.estimator.gradient(state if threshold is None else state - threshold)
        return 1 - value * value if isinstance(self.cell, ElmanCell) else None


def recur(
    u: Tensor, weight: Tensor, initial: State, packing: Packing, cell: Cell, *, hidden_bias: Tensor | None = None,
    estimator: Estimator | None = None, threshold: Tensor | None = None, stochastic: bool = False,
) -> tuple[Tensor, State]:  # fmt: skip
    """`cell.step` of `a[t] = weight @ s[t-1] + addend[t]` over all steps: packed first states [S, H], final state.

    u [S, G] are the packed input halves, weight [G, H], the initial state sorted as the packing says; so is the final
    one. s is the cell's output of the state, or its signs where there is an estimator (`stochastic`: drawn). The same
    as a loop that autograd follows, and faster: what depends on no other step is computed for all at once, the weight's
    gradient with a single product (Appleyard et al. 2016, Optimizing performance of recurrent neural networks,
    arXiv:1604.01946).
    """
    activation = Activation(cell, estimator, stochastic)
    # In float32 also where what comes before is computed in half of it: steps add up.
    states, *final = _Recurrence.apply(
        u.to(weight.dtype), weight, hidden_bias, threshold, packing, activation, *initial
    )
    return states, tuple(final)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, u: Tensor, weight: Tensor, hidden_bias: Tensor | None, threshold: Tensor | None, packing: Packing,
        activation: Activation, *initial: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        steps = _STEPS[type(activation.cell)](activation.cell, u, hidden_bias)
        seen = torch.empty(len(u), weight.shape[1], dtype=u.dtype, device=u.device)
        transposed = weight.t().contiguous()
        state: State = initial
        for rows in packing.rows:
            state = tuple(tensor[: rows.stop - rows.start] for tensor in state)
            seen[rows] = activation.value(state[0], threshold)
            steps.gates[rows].addmm_(seen[rows], transposed)
            state = steps.forward(rows, state)
        ctx.save_for_backward(weight, threshold, *initial)
        ctx.steps, ctx.seen, ctx.packing, ctx.activation = steps, seen, packing, activation
        last = packing.last(u.device)
        return steps.states[0].clone(), *(tensor.index_select(0, last) for tensor in steps.states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor, *grad_final: Tensor) -> tuple[Any, ...]:
        weight, threshold, *initial = ctx.saved_tensors
        steps, seen, packing = ctx.steps, ctx.seen, ctx.packing
        index = packing.before(weight.device)
        before = tuple(
            torch.cat([first, states.index_select(0, index)])
            for first, states in zip(initial, steps.states, strict=True)
        )
        slope = ctx.activation.slope(before[0], seen, threshold)
        steps.prepare(before)
        grad = [tensor.clone() for tensor in grad_final]
        through_sign = torch.empty_like(seen) if threshold is not None else None
        for rows in reversed(packing.rows):
            own = [tensor[: rows.stop - rows.start] for tensor in grad]
            own[0] += grad_states[rows]
            grad_a = steps.backward(rows, own)
            hidden = grad_a @ weight
            if slope is not None:
                hidden *= slope[rows]
            if through_sign is not None:
                through_sign[rows] = hidden
            own[0] += hidden
        grad_a = steps.grad_a()
        grad_threshold = None if through_sign is None else -through_sign.sum(0)
        return steps.grad_u(), grad_a.t() @ seen, steps.grad_bias(), grad_threshold, None, None, *grad


class _Steps(ABC):
    """The steps of one cell: `gates` [S, G] hold the addend of each row at first; `states` are [S, H]."""

    gates: Tensor
    states: State

    def __init__(self, cell: Cell) -> None:
        self.soft = cell.gate is torch.sigmoid

    @abstractmethod
    def forward(self, rows: slice, state: State) -> State:
        """The next state, given the one before, from `gates[rows]`, which are the pre-activations now."""

    @abstractmethod
    def prepare(self, before: State) -> None:
        """Compute what gradients need of all steps at once; `before` are the states before each row."""

    @abstractmethod
    def backward(self, rows: slice, grad: list[Tensor]) -> Tensor:
        """The gradient of the pre-activations from that of the state, which becomes that of the state before,
        in place and but for what goes through the hidden half."""

    @abstractmethod
    def grad_a(self) -> Tensor:
        """The gradient of all pre-activations [S, G]."""

    def grad_u(self) -> Tensor:
        """That of all input halves [S, G]."""
        return self.grad_a()

    def grad_bias(self) -> Tensor | None:
        """That of the bias of the hidden half [H], if there is one."""
        return None

    def gate_(self, a: Tensor) -> None:
        if self.soft:
            a.sigmoid_()
        else:
            a.mul_(0.25).add_(0.5).clamp_(0.0, 1.0)

    def squash_(self, a: Tensor) -> None:
        if self.soft:
            a.tanh_()
        else:
            a.clamp_(-1.0, 1.0)

    def gate_slope(self, y: Tensor) -> Tensor:
        """The derivative of a gate whose value is y."""
        return y * (1 - y) if self.soft else ((y > 0) & (y < 1)).to(y.dtype).mul_(0.25)

    def squash_slope(self, y: Tensor) -> Tensor:
        return 1 - y * y if self.soft else (y.abs() < 1).to(y.dtype)


class _ElmanSteps(_Steps):
    def __init__(self, cell: Cell, u: Tensor, hidden_bias: Tensor | None) -> None:
        super().__init__(cell)
        self.gates = u.clone()
        self.states = (self.gates,)

    def forward(self, rows: slice, state: State) -> State:
        return (self.gates[rows],)

    def prepare(self, before: State) -> None:
        self._grad = torch.empty_like(self.gates)

    def backward(self, rows: slice, grad: list[Tensor]) -> Tensor:
        self._grad[rows] = grad[0]
        grad[0].zero_()
        return self._grad[rows]

    def grad_a(self) -> Tensor:
        return self._grad


class _LSTMSteps(_Steps):
    def __init__(self, cell: Cell, u: Tensor, hidden_bias: Tensor | None) -> None:
        super().__init__(cell)
        self.gates, self.hidden = u.clone(), u.shape[1] // 4
        hidden, cells, self._squashed = (u.new_empty(len(u), self.hidden) for _ in range(3))
        self.states = (hidden, cells)

    def forward(self, rows: slice, state: State) -> State:
        gates = self.gates[rows]
        i, f, g, o = gates.chunk(4, 1)
        self.gate_(gates[:, : 2 * self.hidden])
        self.squash_(g)
        self.gate_(o)
        hidden, cells, squashed = self.states[0][rows], self.states[1][rows], self._squashed[rows]
        torch.mul(f, state[1], out=cells).addcmul_(i, g)
        self.squash_(squashed.copy_(cells))
        torch.mul(o, squashed, out=hidden)
        return hidden, cells

    def prepare(self, before: State) -> None:
        i, f, g, o = self.gates.chunk(4, 1)
        slopes = self.gates.new_empty(len(i), 4, self.hidden)
        torch.mul(g, self.gate_slope(i), out=slopes[:, 0])
        torch.mul(before[1], self.gate_slope(f), out=slopes[:, 1])
        torch.mul(i, self.squash_slope(g), out=slopes[:, 2])
        torch.mul(self._squashed, self.gate_slope(o), out=slopes[:, 3])
        self._slopes, self._forget = slopes, f
        # Of hard gates the cell itself tells: it can be exactly 1, where the line is not clipped yet.
        self._into_cell = o * (self.squash_slope(self._squashed) if self.soft else (self.states[1].abs() <= 1))
        self._grad = torch.empty_like(slopes)

    def backward(self, rows: slice, grad: list[Tensor]) -> Tensor:
        hidden, cells = grad
        slopes, own = self._slopes[rows], self._grad[rows]
        cells.addcmul_(hidden, self._into_cell[rows])
        torch.mul(slopes[:, :3], cells.unsqueeze(1), out=own[:, :3])
        torch.mul(slopes[:, 3], hidden, out=own[:, 3])
        cells.mul_(self._forget[rows])
        hidden.zero_()
        return own.flatten(1)

    def grad_a(self) -> Tensor:
        return self._grad.flatten(1)


class _GRUSteps(_Steps):
    def __init__(self, cell: Cell, u: Tensor, hidden_bias: Tensor | None) -> None:
        super().__init__(cell)
        assert hidden_bias is not None
        self.hidden = u.shape[1] // 3
        self.gates = u.clone()
        self.gates[:, 2 * self.hidden :] = hidden_bias
        self._u = u[:, 2 * self.hidden :]
        self._candidates = u.new_empty(len(u), self.hidden)
        self.states = (torch.empty_like(self._candidates),)

    def forward(self, rows: slice, state: State) -> State:
        gates, candidates = self.gates[rows], self._candidates[rows]
        r, z, n = gates.chunk(3, 1)
        self.gate_(gates[:, : 2 * self.hidden])
        torch.addcmul(self._u[rows], r, n, out=candidates)
        self.squash_(candidates)
        return (torch.lerp(candidates, state[0], z, out=self.states[0][rows]),)

    def prepare(self, before: State) -> None:
        r, z, n = self.gates.chunk(3, 1)
        slopes = self.gates.new_empty(len(r), 4, self.hidden)
        torch.mul(1 - z, self.squash_slope(self._candidates), out=slopes[:, 3])
        torch.mul(slopes[:, 3], n * self.gate_slope(r), out=slopes[:, 0])
        torch.mul(before[0] - self._candidates, self.gate_slope(z), out=slopes[:, 1])
        torch.mul(slopes[:, 3], r, out=slopes[:, 2])
        self._slopes, self._update = slopes, z
        self._grad = torch.empty_like(slopes)

    def backward(self, rows: slice, grad: list[Tensor]) -> Tensor:
        own = torch.mul(self._slopes[rows], grad[0].unsqueeze(1), out=self._grad[rows])
        grad[0].mul_(self._update[rows])
        return own[:, :3].flatten(1)

    def grad_a(self) -> Tensor:
        return self._grad[:, :3].flatten(1)

    def grad_u(self) -> Tensor:
        return self._grad[:, [0, 1, 3]].flatten(1)

    def grad_bias(self) -> Tensor:
        return self._grad[:, 2].sum(0)


_STEPS: dict[type[Cell], Any] = {ElmanCell: _ElmanSteps, LSTMCell: _LSTMSteps, GRUCell: _GRUSteps}
