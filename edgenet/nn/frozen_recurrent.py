"""A recurrent network of frozen random signs: the reservoir of an echo state network."""

import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.nn.frozen import FrozenLinear, spectral_radius
from edgenet.nn.recurrent import BinaryRNN
from edgenet.nn.recurrent_cells import ElmanCell, State
from edgenet.nn.recurrent_layer import BinaryRNNLayer, RecurrentParameters


class Reservoir(FrozenLinear):
    """The hidden half [H, H]: signs whose factor gives them the spectral radius asked for."""

    def __init__(self, hidden_size: int, *, scheme: str, radius: float) -> None:
        self.radius = radius
        super().__init__(hidden_size, hidden_size, bias=False, scheme=scheme, threshold=False)

    def _factor(self, signs: Tensor) -> float:
        return self.radius / spectral_radius(signs)


class InputHalf(FrozenLinear):
    """The input half [H, I], its weights times `gain`, and its bias."""

    def __init__(self, input_size: int, hidden_size: int, *, scheme: str, gain: float) -> None:
        self.gain = gain
        super().__init__(input_size, hidden_size, scheme=scheme)

    def _factor(self, signs: Tensor) -> float:
        return self.gain * super()._factor(signs)


class FrozenRNNLayer(BinaryRNNLayer):
    """`p[t] = input(x[t]) + radius / rho(W) * W s[t-1]`, rho(W) the spectral radius of the signs W [H, H].

    s is tanh(p), or sign(p) for scheme `xnor`. The input half is frozen as well, and has the bias. `input_gain` is the
    factor that it is multiplied with: how strongly the input drives the state.
    """

    input: InputHalf
    hidden: Reservoir

    def __init__(
        self, input_size: int, hidden_size: int, *, scheme: str, radius: float = 0.95, input_gain: float = 0.5
    ) -> None:
        nn.Module.__init__(self)
        self.scheme = self.input_scheme = scheme
        self.cell, self.hidden_bias = ElmanCell(scheme), None
        self.input = InputHalf(input_size, hidden_size, scheme=scheme, gain=input_gain)
        self.hidden = Reservoir(hidden_size, scheme=scheme, radius=radius)

    def forward(self, x: Tensor, initial: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """x [T, N, I], initial state of one tensor [N, H] -> the states [T, N, H], and the final state.

        `mask` as for `BinaryRNNLayer`.
        """
        weight, factor = self.hidden.weight, self.hidden.factor
        return self._recur(self.input(x), None, initial, mask, lambda s, addend: F.linear(s, weight) * factor + addend)

    def inference_parameters(self) -> RecurrentParameters:
        """The layer as the exporter takes it."""
        return RecurrentParameters(
            scheme=self.scheme,
            input_scheme=self.input_scheme,
            input_weight=self.input.weight,
            input_scale=self.input.factor,
            input_bias=self.input.bias,
            input_threshold=self.input.threshold,
            hidden_weight=self.hidden.weight,
            hidden_scale=self.hidden.factor,
            hidden_threshold=self.hidden.threshold,
        )


class FrozenRNN(BinaryRNN):
    """One recurrent layer of frozen random signs, in the place of `BinaryRNN`: the reservoir of an echo state network.

    With tanh and a radius below 1 the state forgets where it began, the echo state property (Jaeger 2001, The "echo
    state" approach to analysing and training recurrent neural networks, GMD report 148). sign() has no such bound:
    there it is the input that must outweigh the state, so `xnor` wants a smaller radius.

    x is [N, T, I]; options as for `FrozenRNNLayer`. Raises EdgenetError for an input or a state of another shape.
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, scheme: str = "bwn", radius: float = 0.95, input_gain: float = 0.5
    ) -> None:
        nn.Module.__init__(self)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, 1
        self.scheme, self.batch_first, self.dropout = scheme, True, 0.0
        self.bidirectional, self.directions = False, 1
        layer = FrozenRNNLayer(input_size, hidden_size, scheme=scheme, radius=radius, input_gain=input_gain)
        self.layers = nn.ModuleList([layer])
