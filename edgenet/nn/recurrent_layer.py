"""One recurrent layer with 1-bit weights, normalised so that it trains, and affine at inference so that it exports."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.nn.functional import quantize_int8
from edgenet.nn.int8 import Int8Linear, integer_linear
from edgenet.nn.layers import BinaryLinear
from edgenet.nn.recurrence import Packing, recur
from edgenet.nn.recurrent_cells import Cell, ElmanCell, State
from edgenet.nn.running_norm import RunningNorm


@dataclass(frozen=True)
class RecurrentParameters:
    """One layer at inference, normalisation folded; H hidden features, I inputs, G = gates * H.

    `u = input_scale * (input_weight @ x) + input_bias`, with sign(x >= input_threshold) for x where that is given, and
    for scheme "int8" with x in 8 bits, as `Int8Linear` has it.
    The product of the hidden half is `d = hidden_scale * (hidden_weight @ s)` with s = sign(state >= hidden_threshold)
    for scheme "xnor"; for "bwn" s is tanh(state) in an Elman layer and the state itself in others. How d and u make
    the next state is the cell's business, see `export/SPEC.md`.
    """

    scheme: str
    input_scheme: str  # "full": input_weight is float; "int8": of -127 to 127; "bwn", "xnor": it is +1 and -1
    input_weight: Tensor  # [G, I]
    input_scale: Tensor  # [G]
    input_bias: Tensor  # [G]
    input_threshold: Tensor | None  # [I]; None unless input_scheme is "xnor"
    hidden_weight: Tensor  # [G, H] of +1 and -1
    hidden_scale: Tensor  # [G]
    hidden_threshold: Tensor | None  # [H]; None unless scheme is "xnor"
    hidden_bias: Tensor | None = None  # [H], of a GRU's candidate; None for other cells


class BinaryRNNLayer(nn.Module):
    """One layer: `a[t] = norm_x(W_x x[t]) + norm_h(W_h s[t-1])`, from which the cell makes its next state.

    An Elman layer unless another cell is given. s is the cell's output with 1-bit weights (`bwn`) and
    sign(state >= threshold) with 1-bit activations as well (`xnor`). norm_x and norm_h are `RunningNorm`, the bias of
    norm_x is the layer's. Without them binary recurrent networks do not train (Ott et al. 2016, arXiv:1608.06902;
    Ardakani et al. 2019, arXiv:1809.11086; Hou et al. 2019, "Normalization helps training of quantized LSTM").
    """

    hidden_bias: nn.Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, *, scheme: str, input_scheme: str, cell: type[Cell] = ElmanCell,
        gain: float = 1.0, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.scheme, self.input_scheme, self.cell = scheme, input_scheme, cell(scheme)
        outputs = hidden_size * len(cell.initial_bias)
        self.input: nn.Linear
        if input_scheme == "full":
            self.input = nn.Linear(input_size, outputs, bias=False)
        elif input_scheme == "int8":
            self.input = Int8Linear(input_size, outputs, bias=False)
        else:
            self.input = BinaryLinear(input_size, outputs, bias=False, scheme=input_scheme, **options)
        self.hidden = BinaryLinear(hidden_size, outputs, bias=False, scheme=scheme, **options)
        self.input_norm = RunningNorm(outputs, bias=True)
        self.hidden_norm = RunningNorm(outputs, gain)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_size)) if cell.has_hidden_bias else None
        with torch.no_grad():
            assert self.input_norm.bias is not None
            self.input_norm.bias.copy_(torch.tensor(cell.initial_bias).repeat_interleave(hidden_size))

    @torch.no_grad()
    def adopt(self, rnn: nn.RNNBase, row: str) -> None:
        """Copy weights and biases of one row of a float network of the same cell: "l0", "l0_reverse", "l1", ..."""
        for half, name in ((self.input, "ih"), (self.hidden, "hh")):
            half.load_state_dict({"weight": getattr(rnn, f"weight_{name}_{row}")}, strict=False)
        if rnn.bias:
            into_input, hidden_bias = self.cell.split_bias(getattr(rnn, f"bias_hh_{row}"))
            assert self.input_norm.bias is not None
            self.input_norm.bias.copy_(getattr(rnn, f"bias_ih_{row}") + into_input)
            if self.hidden_bias is not None and hidden_bias is not None:
                self.hidden_bias.copy_(hidden_bias)

    @torch.no_grad()
    def fit_gains(self, x: Tensor, initial: State, mask: Tensor | None, states: Tensor) -> tuple[Tensor, Tensor]:
        """Set the gains, and the statistics, so that each normalised half comes closest, by least squares, to what the
        latent weights give of the real activations; returns the means of the latter, which belong into the biases.

        `states` are what `forward` returned for x, the initial state and the mask. From now on `bwn` holds the
        statistics, as it learns better with; `xnor` lets them follow, and the gradient leave out what they undo.
        """
        packed = Packing.of(mask, *x.shape[:2]).pack(x)
        before = states[:-1].flatten(0, 1) if mask is None else states[:-1][mask[1:]]
        before = before if len(before) else initial[0]
        product = F.linear(self._activation(before), self.hidden.scaled_weight())
        for half, norm in ((self.input, self.input_norm), (self.hidden, self.hidden_norm)):
            if self.scheme == "bwn":
                # Statistics that follow would move the gains from where they were fitted.
                norm.hold()
            elif isinstance(half, BinaryLinear):
                half.trains_mean_scale = False
        return (
            self.input_norm.fit(self.input(packed), F.linear(packed, self.input.weight)),
            self.hidden_norm.fit(product, F.linear(self.cell.output(before), self.hidden.weight)),
        )

    def forward(self, x: Tensor, initial: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """x [T, N, I], initial state of tensors [N, H] -> the state's first tensor [T, N, H], and the final state.

        `mask` [T, N] is False at padding, which comes after the real steps: there the state stays as it is, and the
        normalisations see nothing of it.
        """
        states, final = (self._train_forward if self.input_norm.training else self._infer)(x, initial, mask)
        if self.hidden_norm.training and self.hidden_norm.momentum:
            self._follow(states, initial[0], mask)
        return states, final

    def _train_forward(self, x: Tensor, initial: State, mask: Tensor | None) -> tuple[Tensor, State]:
        steps, samples = x.shape[:2]
        packing = Packing.of(mask, steps, samples)
        scale, offset = self.hidden_norm.affine()
        weight = self.hidden.scaled_weight() * scale.unsqueeze(1)
        into_input, hidden_bias = self.cell.split_bias(offset)
        u = self.input_norm(self.input(packing.pack(x))).add(into_input)
        states, final = recur(
            u, weight, packing.sort(initial), packing, self.cell, hidden_bias=self._with_bias(hidden_bias),
            estimator=self.hidden.estimator if self.scheme == "xnor" else None, threshold=self.hidden.threshold,
            stochastic=self.hidden.stochastic and self.hidden.training,
        )  # fmt: skip
        return packing.unpack(states, steps, samples), packing.unsort(final)

    def _infer(self, x: Tensor, initial: State, mask: Tensor | None) -> tuple[Tensor, State]:
        p = self.inference_parameters()
        scale = p.input_scale
        if isinstance(self.input, BinaryLinear):
            x = self.input.binary_input(x, p.input_threshold)
        elif isinstance(self.input, Int8Linear):
            x, step = quantize_int8(x, (-1,))
            scale = scale * step
        product = integer_linear if p.input_scheme == "int8" else F.linear
        u = product(x, p.input_weight) * scale + p.input_bias
        return self._recur(
            u, p.hidden_bias, initial, mask, lambda s, addend: F.linear(s, p.hidden_weight) * p.hidden_scale + addend
        )

    def _recur(
        self, u: Tensor, hidden_bias: Tensor | None, state: State, mask: Tensor | None,
        affine: Callable[[Tensor, Tensor], Tensor],
    ) -> tuple[Tensor, State]:  # fmt: skip
        states = []
        real = [None] * len(u) if mask is None else mask.unsqueeze(2).unbind(0)
        for u_t, addend, real_t in zip(u.unbind(0), self.cell.addend(u, hidden_bias).unbind(0), real, strict=True):
            following = self.cell.step(affine(self._activation(state[0]), addend), u_t, state)
            state = following if real_t is None else _choose(real_t, following, state)
            states.append(state[0])
        return torch.stack(states), state

    def _activation(self, state: Tensor) -> Tensor:
        if self.scheme == "xnor":
            return self.hidden.binary_input(state, self.hidden.threshold)
        return self.cell.output(state)

    @torch.no_grad()
    def _follow(self, states: Tensor, initial: Tensor, mask: Tensor | None) -> None:
        # The first step comes from zeros, as no later one does; it would bias the statistics.
        before = states[:-1].flatten(0, 1) if mask is None else states[:-1][mask[1:]]
        before = before if len(before) else initial
        self.hidden_norm.follow(F.linear(self._activation(before), self.hidden.scaled_weight()))

    def _with_bias(self, offset: Tensor | None) -> Tensor | None:
        return None if offset is None or self.hidden_bias is None else offset + self.hidden_bias

    def inference_parameters(self) -> RecurrentParameters:
        """The layer as inference computes it, both normalisations folded; differentiable."""
        input_scale, input_bias = self.input_norm.affine()
        hidden_scale, offset = self.hidden_norm.affine()
        into_input, hidden_bias = self.cell.split_bias(offset)
        input_bias = input_bias + into_input
        input_weight, input_threshold = self.input.weight, None
        if isinstance(self.input, BinaryLinear):
            input_weight, input_threshold = self.input.binary_weight(), self.input.threshold
            input_scale = input_scale * self.input.scaling_factor()
        elif isinstance(self.input, Int8Linear):
            input_weight, factor = self.input.quantized_weight()
            input_scale = input_scale * factor
        return RecurrentParameters(
            scheme=self.scheme,
            input_scheme=self.input_scheme,
            input_weight=input_weight,
            input_scale=input_scale,
            input_bias=input_bias,
            input_threshold=input_threshold,
            hidden_weight=self.hidden.binary_weight(),
            hidden_scale=hidden_scale * self.hidden.scaling_factor(),
            hidden_threshold=self.hidden.threshold,
            hidden_bias=self._with_bias(hidden_bias),
        )


def _choose(real: Tensor, following: State, state: State) -> State:
    return tuple(torch.where(real, after, before) for after, before in zip(following, state, strict=True))
