"""Many-to-one networks: one class for a text or a recording of any length."""

import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.models.examples import random_frames, random_tokens
from edgenet.models.recurrent_stack import RecurrentStack
from edgenet.models.registry import register_model
from edgenet.nn import last_step, step_mask

LAST, MAX = "last", "max"
BELOW_ANY = -1e9  # output of a recurrent layer is from -1 to 1


class SequenceClassifier(nn.Module):
    """Recurrent layers over a zero-padded batch and a linear read-out.

    x is [N, T, features], or int64 [N, T] with an embedding; lengths [N], or None where nothing is padded. Read out
    are, with `pooling` "last", the last real step of the forward direction and, in both directions, the first step of
    the reverse one; with "max" the largest value of each output over the real steps (Conneau et al. 2017,
    arXiv:1705.02364, BiLSTM with max pooling). `dropout` is on what goes into the recurrent layers and what comes out.
    Raises EdgenetError for another pooling.
    """

    def __init__(
        self,
        stack: RecurrentStack,
        num_classes: int,
        embedding: nn.Embedding | None = None,
        dropout: float = 0.0,
        pooling: str = LAST,
    ) -> None:
        super().__init__()
        self.embedding, self.stack, self.dropout = embedding, stack, nn.Dropout(dropout)
        if pooling not in (LAST, MAX):
            raise EdgenetError(f"unknown pooling {pooling!r}: use {LAST!r} or {MAX!r}")
        self.pooling = pooling
        self.fc = nn.Linear(stack.output_size, num_classes)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """-> logits [N, classes]."""
        x = x if self.embedding is None else self.embedding(x)
        output, _ = self.stack(self.dropout(x), None, lengths)
        return self.fc(self.dropout(self._pooled(output, lengths)))

    def _pooled(self, output: Tensor, lengths: Tensor | None) -> Tensor:
        """Of the recurrent layers' output [N, T, H] what is read, [N, H]."""
        if self.pooling == MAX:
            if lengths is not None:
                output = torch.where(step_mask(lengths, output.shape[1]).t().unsqueeze(2), output, BELOW_ANY)
            return output.amax(1)
        if not self.stack.bidirectional:
            return last_step(output, lengths)
        forward, reverse = output.chunk(2, 2)
        return torch.cat([last_step(forward, lengths), reverse[:, 0]], 1)


class TextClassifier(SequenceClassifier):
    """A classifier of token ids, 0 for padding, below `vocabulary_size`."""

    def __init__(
        self, cell: str, num_classes: int, vocabulary_size: int, embedding_size: int, hidden_size: int, num_layers: int,
        bidirectional: bool, dropout: float, pooling: str,
    ) -> None:  # fmt: skip
        stack = RecurrentStack(cell, embedding_size, hidden_size, num_layers, bidirectional=bidirectional)
        super().__init__(
            stack, num_classes, nn.Embedding(vocabulary_size, embedding_size, padding_idx=0), dropout, pooling
        )
        self.input_shape = (24,)
        self.vocabulary_size = vocabulary_size

    def example_inputs(self, samples: int) -> tuple[Tensor, Tensor]:
        """Made-up arguments of `forward`."""
        return random_tokens(samples, self.input_shape[0], self.vocabulary_size)


class FrameClassifier(SequenceClassifier):
    """A classifier of sequences of `in_channels` features a step."""

    def __init__(
        self, cell: str, num_classes: int, in_channels: int, hidden_size: int, num_layers: int, bidirectional: bool
    ) -> None:
        stack = RecurrentStack(cell, in_channels, hidden_size, num_layers, bidirectional=bidirectional)
        super().__init__(stack, num_classes)
        self.input_shape = (29, in_channels)

    def example_inputs(self, samples: int) -> tuple[Tensor, Tensor]:
        """Made-up arguments of `forward`."""
        return random_frames(samples, *self.input_shape)


@register_model
def text_classifier(
    num_classes: int = 2, scheme: str = "full", vocabulary_size: int = 8000, embedding_size: int = 64,
    hidden_size: int = 64, num_layers: int = 1, cell: str = "lstm", bidirectional: bool = True, dropout: float = 0.3,
    pooling: str = MAX,
) -> TextClassifier:  # fmt: skip
    """Embedding, recurrent layers in both directions and a linear read-out (Graves and Schmidhuber 2005 for the layers,
    "Framewise phoneme classification with bidirectional LSTM")."""
    return TextClassifier(
        cell, num_classes, vocabulary_size, embedding_size, hidden_size, num_layers, bidirectional, dropout, pooling
    )


@register_model
def frame_classifier(
    num_classes: int = 10, scheme: str = "full", in_channels: int = 12, hidden_size: int = 128, num_layers: int = 2,
    cell: str = "gru", bidirectional: bool = True,
) -> FrameClassifier:  # fmt: skip
    """Recurrent layers in both directions over frames of features, such as a spoken word's cepstral coefficients."""
    return FrameClassifier(cell, num_classes, in_channels, hidden_size, num_layers, bidirectional)
