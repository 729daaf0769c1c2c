"""Elman network with 1-bit weights, normalised so that it trains, and affine at inference so that it exports."""

from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.nn.layers import BinaryLinear


class RunningNorm(nn.Module):
    """Batch normalisation per feature with its running statistics, in training too: `weight * (z - mean) / std`.

    One set of statistics serves all steps of a sequence. Training follows the batch with them but never normalises by
    the batch itself, so that what is trained is what inference computes (batch renormalisation, Ioffe 2017,
    arXiv:1702.03275, at its limit). There is no additive parameter: the input half of the layer has one.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, gain: float, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((features,), gain))
        self.momentum, self.eps = momentum, eps
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def affine(self) -> tuple[Tensor, Tensor]:
        """(scale, offset) [features] such that the normalised z is `scale * z + offset`."""
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        # A copy: `follow` moves the mean in place before the backward pass reads it.
        return scale, -scale * self.running_mean.clone()

    @torch.no_grad()
    def follow(self, z: Tensor) -> None:
        """Move the statistics towards those of z [samples, features]."""
        variance, mean = torch.var_mean(z, 0, correction=0)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


@dataclass(frozen=True)
class RecurrentParameters:
    """One layer at inference, normalisation folded; H hidden features, I inputs.

    `u = input_scale * (input_weight @ x) + input_bias`, with sign(x >= input_threshold) for x where that is given;
    `p[t] = hidden_scale * (hidden_weight @ s) + u[t]` with s = sign(p[t-1] >= hidden_threshold) for scheme "xnor" and
    s = tanh(p[t-1]) for "bwn"; the layer's output is tanh(p).
    """

    scheme: str
    input_scheme: str  # "full": input_weight is float; "bwn", "xnor": it is +1 and -1
    input_weight: Tensor  # [H, I]
    input_scale: Tensor  # [H]
    input_bias: Tensor  # [H]
    input_threshold: Tensor | None  # [I]; None unless input_scheme is "xnor"
    hidden_weight: Tensor  # [H, H] of +1 and -1
    hidden_scale: Tensor  # [H]
    hidden_threshold: Tensor | None  # [H]; None unless scheme is "xnor"


class BinaryRNNLayer(nn.Module):
    """One Elman layer: `p[t] = norm_x(W_xh x[t]) + norm_h(W_hh s[t-1])`, output tanh(p).

    s is tanh(p) with 1-bit weights (`bwn`) and sign(p >= threshold) with 1-bit activations as well (`xnor`). norm_x is
    batch normalisation over samples and steps, its bias the layer's; norm_h is `RunningNorm`. Without them binary
    recurrent networks do not train (Ott et al. 2016, arXiv:1608.06902; Ardakani et al. 2019, arXiv:1809.11086;
    Hou et al. 2019, "Normalization helps training of quantized LSTM").
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, scheme: str, input_scheme: str, gain: float = 1.0, **options: Any
    ) -> None:
        super().__init__()
        self.scheme, self.input_scheme = scheme, input_scheme
        self.input: nn.Linear
        if input_scheme == "full":
            self.input = nn.Linear(input_size, hidden_size, bias=False)
        else:
            self.input = BinaryLinear(input_size, hidden_size, bias=False, scheme=input_scheme, **options)
        self.hidden = BinaryLinear(hidden_size, hidden_size, bias=False, scheme=scheme, **options)
        self.input_norm = nn.BatchNorm1d(hidden_size)
        self.hidden_norm = RunningNorm(hidden_size, gain)

    def forward(self, x: Tensor, initial: Tensor) -> Tensor:
        """x [T, N, I], initial pre-activation [N, H] -> pre-activations p [T, N, H]."""
        p = self._train_forward(x, initial) if self.input_norm.training else self._recur(x, initial)
        if self.hidden_norm.training:
            self._follow(p, initial)
        return p

    def _train_forward(self, x: Tensor, initial: Tensor) -> Tensor:
        steps, samples = x.shape[:2]
        scale, offset = self.hidden_norm.affine()
        weight = (self.hidden.scaled_weight() * scale.unsqueeze(1)).t()
        u = self.input_norm(self.input(x).flatten(0, 1)).add(offset).view(steps, samples, -1)
        p, states = initial, []
        for u_t in u.unbind(0):
            p = torch.addmm(u_t, self._activation(p), weight)
            states.append(p)
        return torch.stack(states)

    def _recur(self, x: Tensor, initial: Tensor) -> Tensor:
        parameters = self.inference_parameters()
        if isinstance(self.input, BinaryLinear):
            x = self.input.binary_input(x, parameters.input_threshold)
        u = F.linear(x, parameters.input_weight) * parameters.input_scale + parameters.input_bias
        p, states = initial, []
        for u_t in u.unbind(0):
            p = F.linear(self._activation(p), parameters.hidden_weight) * parameters.hidden_scale + u_t
            states.append(p)
        return torch.stack(states)

    def _activation(self, p: Tensor) -> Tensor:
        return self.hidden.binary_input(p, self.hidden.threshold) if self.scheme == "xnor" else torch.tanh(p)

    @torch.no_grad()
    def _follow(self, p: Tensor, initial: Tensor) -> None:
        # The first step comes from zeros, as no later one does; it would bias the statistics.
        before = p[:-1] if p.shape[0] > 1 else initial.unsqueeze(0)
        self.hidden_norm.follow(F.linear(self._activation(before), self.hidden.scaled_weight()).flatten(0, 1))

    def inference_parameters(self) -> RecurrentParameters:
        """The layer as inference computes it, both normalisations folded; differentiable."""
        norm = self.input_norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        input_scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        hidden_scale, hidden_offset = self.hidden_norm.affine()
        input_bias = norm.bias - norm.running_mean * input_scale + hidden_offset
        input_weight, input_threshold = self.input.weight, None
        if isinstance(self.input, BinaryLinear):
            input_weight, input_threshold = self.input.binary_weight(), self.input.threshold
            input_scale = input_scale * self.input.scaling_factor()
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
        )


class BinaryRNN(nn.Module):
    """Stacked Elman network with 1-bit weights (`bwn`) or 1-bit weights and activations (`xnor`); replaces `nn.RNN`.

    `input_scheme` is the scheme of the first layer's input half ("full" keeps it float); those above have `scheme`.
    Other options as for `BinaryLinear`. Where `nn.RNN` hands on hidden values tanh(p), the state here is the
    pre-activation p of each layer: feed the returned state back to go on with a sequence, zeros start afresh.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *, scheme: str = "bwn",
        input_scheme: str = "full", batch_first: bool = False, dropout: float = 0.0, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.scheme, self.batch_first, self.dropout = scheme, batch_first, dropout
        self.layers = nn.ModuleList(
            BinaryRNNLayer(
                hidden_size if index else input_size, hidden_size,
                scheme=scheme, input_scheme=scheme if index else input_scheme, **options,
            )
            for index in range(num_layers)
        )  # fmt: skip

    @classmethod
    @torch.no_grad()
    def from_float(cls, rnn: nn.RNN, *, scheme: str, input_scheme: str = "full", **options: Any) -> Self:
        """The binary version of a float `nn.RNN` (tanh, one direction), its weights copied as latent weights."""
        binary = cls(
            rnn.input_size, rnn.hidden_size, rnn.num_layers, scheme=scheme, input_scheme=input_scheme,
            batch_first=rnn.batch_first, dropout=rnn.dropout, **options,
        )  # fmt: skip
        for index, layer in enumerate(binary.rows()):
            layer.input.weight.copy_(getattr(rnn, f"weight_ih_l{index}"))
            layer.hidden.weight.copy_(getattr(rnn, f"weight_hh_l{index}"))
            if rnn.bias:
                layer.input_norm.bias.copy_(getattr(rnn, f"bias_ih_l{index}") + getattr(rnn, f"bias_hh_l{index}"))
        return binary.to(next(rnn.parameters()).device).train(rnn.training)

    def rows(self) -> list[BinaryRNNLayer]:
        """The layers, from input to output."""
        return [layer for layer in self.layers if isinstance(layer, BinaryRNNLayer)]

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [T, N, I] ([N, T, I] with `batch_first`), state [layers, N, H] -> (output like x with H features, state).

        Raises EdgenetError where x is not three-dimensional or has another number of features.
        """
        if x.dim() != 3 or x.shape[2] != self.input_size or x.shape[0 if not self.batch_first else 1] == 0:
            raise EdgenetError(
                f"BinaryRNN needs a batch of sequences with {self.input_size} features a step, got {list(x.shape)}"
            )
        if self.batch_first:
            x = x.transpose(0, 1)
        if state is None:
            state = x.new_zeros(self.num_layers, x.shape[1], self.hidden_size)
        final = []
        for index, layer in enumerate(self.layers):
            p = layer(x, state[index])
            final.append(p[-1])
            x = torch.tanh(p)
            if self.dropout and index + 1 < self.num_layers:
                x = F.dropout(x, self.dropout, self.training)
        return (x.transpose(0, 1) if self.batch_first else x), torch.stack(final)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, scheme={self.scheme}"
