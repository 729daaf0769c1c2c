"""Recurrent networks on padded batches of sequences of unequal lengths."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from edgenet.nn.recurrence import Packing, recur
from edgenet.nn.recurrent_cells import Cell, ElmanCell, GRUCell, LSTMCell, State
from edgenet.nn.sequences import check_lengths, reverse_sequences, step_mask

_CELLS: dict[type[nn.Module], type[Cell]] = {nn.RNN: ElmanCell, nn.LSTM: LSTMCell, nn.GRU: GRUCell}


def run_recurrent(rnn: nn.Module, x: Tensor, state: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
    """`rnn(x, state)` on a padded batch: output, 0 at padding, and the state after each sequence's last real step.

    `rnn` is a recurrent network of torch.nn, or the binary version that took its place; x is zero-padded, in the order
    of axes that the network has; lengths [N], or None where nothing is padded.
    Raises EdgenetError for lengths that are not of this batch.
    """
    if lengths is None:
        return rnn(x, state)
    if not isinstance(rnn, nn.RNNBase):
        return rnn(x, state, lengths)
    batch, time = (0, 1) if rnn.batch_first else (1, 0)
    lengths = check_lengths(lengths, x.shape[batch], x.shape[time])
    if _takes_the_square(rnn, x, state):
        tensors = (state,) if isinstance(state, Tensor) else state
        output, final = _run_rows(rnn, x.transpose(0, time), tensors, lengths)
        return output.transpose(0, time), final if isinstance(rnn, nn.LSTM) else final[0]
    packed = pack_padded_sequence(x, lengths.cpu(), rnn.batch_first, enforce_sorted=False)
    output, final = rnn(packed, state)
    padded, _ = pad_packed_sequence(output, rnn.batch_first, total_length=x.shape[time])
    return padded, final


def _takes_the_square(rnn: nn.RNNBase, x: Tensor, state: Any) -> bool:
    """Whether torch's back-propagation through a PackedSequence would take the square of its length.

    On a CPU it does: the gradient of each step is a tensor of zeros as large as all steps, for every step anew.
    """
    if not torch.is_grad_enabled() or x.device.type != "cpu" or type(rnn) not in _CELLS or rnn.proj_size:
        return False
    # An Elman cell's state here is what tanh is taken of; torch's is the tanh.
    return not isinstance(rnn, nn.RNN) or (rnn.nonlinearity == "tanh" and state is None)


def _run_rows(rnn: nn.RNNBase, x: Tensor, state: State | None, lengths: Tensor) -> tuple[Tensor, State]:
    """Output [T, N, directions * H] of x [T, N, I], 0 at padding, and the final state, tensors [rows, N, H].

    A row is a layer's direction; the state given, if any, has the same tensors.
    """
    cell = _CELLS[type(rnn)]("bwn")
    directions = ("", "_reverse") if rnn.bidirectional else ("",)
    packing = Packing.of(step_mask(lengths, len(x)), *x.shape[:2])
    finals: list[State] = []
    for layer in range(rnn.num_layers):
        if layer and rnn.dropout:
            x = F.dropout(x, rnn.dropout, rnn.training)
        outputs = []
        for suffix in directions:
            given = reverse_sequences(x, lengths) if suffix else x
            if state is None:
                initial: State = (x.new_zeros(x.shape[1], rnn.hidden_size),) * cell.states
            else:
                initial = tuple(tensor[len(finals)] for tensor in state)
            states, final = _run_row(rnn, f"l{layer}{suffix}", packing.pack(given), initial, packing, cell)
            output = packing.unpack(cell.output(states), *x.shape[:2])
            outputs.append(reverse_sequences(output, lengths) if suffix else output)
            finals.append((cell.output(final[0]), *final[1:]))
        x = torch.cat(outputs, 2)
    return x, tuple(torch.stack(tensors) for tensors in zip(*finals, strict=True))


def _run_row(
    rnn: nn.RNNBase, row: str, x: Tensor, initial: State, packing: Packing, cell: Cell
) -> tuple[Tensor, State]:
    weights = [getattr(rnn, f"{name}_{row}") for name in ("weight_ih", "weight_hh")]
    u, hidden_bias = F.linear(x, weights[0]), None
    if rnn.bias:
        hidden_bias = getattr(rnn, f"bias_hh_{row}")
        u = u + getattr(rnn, f"bias_ih_{row}")
    elif cell.has_hidden_bias:
        hidden_bias = x.new_zeros(len(weights[1]))
    if hidden_bias is not None:
        into_input, hidden_bias = cell.split_bias(hidden_bias)
        u = u + into_input
    states, final = recur(u, weights[1], packing.sort(initial), packing, cell, hidden_bias=hidden_bias)
    return states, packing.unsort(final)
