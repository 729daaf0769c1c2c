"""Encoder-decoder networks with attention: many-to-many with delay, and one-to-many from a picture."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from edgenet.models.examples import random_tokens
from edgenet.models.recurrent_stack import RecurrentStack
from edgenet.models.registry import register_model
from edgenet.nn import last_step, step_mask


class Attention(nn.Module):
    """Global attention with the general score (Luong et al. 2015, arXiv:1508.04025, sections 3 and 3.1).

    `a[t] = softmax over s of h[t] W_a m[s]`, `y[t] = tanh(W_c [sum of a[t, s] m[s]; h[t]])`, over the real steps s of
    the memory only. Without input feeding, so that training takes all steps of a target at once. With `shortcut`, h[t]
    is added to y[t]: floats pass by products that see signs alone.
    """

    def __init__(self, hidden_size: int, memory_size: int, shortcut: bool = False) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.query = nn.Linear(hidden_size, memory_size, bias=False)
        self.combine = nn.Linear(memory_size + hidden_size, hidden_size)

    def forward(self, hidden: Tensor, memory: Tensor, memory_lengths: Tensor) -> Tensor:
        """hidden [N, T, H], memory [N, S, M], memory_lengths [N] -> [N, T, H]."""
        scores = self.query(hidden) @ memory.transpose(1, 2)
        real = step_mask(memory_lengths, memory.shape[1]).t().unsqueeze(1)
        weights = torch.where(real, scores, -1e9).softmax(2)  # beyond any score: exp() of it is 0
        combined = torch.tanh(self.combine(torch.cat([weights @ memory, hidden], 2)))
        return combined + hidden if self.shortcut else combined


class Encoder(nn.Module):
    """What encoders have in common: they make a memory [N, S, M] and, of a summary [N, M], a first state to decode."""

    output_names: ClassVar[tuple[str, ...]] = ("memory", "state", "memory_lengths")

    bridge: nn.Linear

    def __init__(self, memory_size: int, state_tensors: int) -> None:
        super().__init__()
        self.memory_size, self.state_tensors = memory_size, state_tensors

    def add_bridge(self, state_size: int) -> None:
        """Add what makes the first state; last, for the first layer in order of registration is one of the ends."""
        self.bridge = nn.Linear(self.memory_size, self.state_tensors * state_size)

    def first_state(self, summary: Tensor) -> Tensor:
        """The decoder's state [tensors, N, H], `tanh(W_b summary + b)`."""
        return torch.tanh(self.bridge(summary)).unflatten(1, (self.state_tensors, -1)).transpose(0, 1)


class TextEncoder(Encoder):
    """An embedding and recurrent layers in both directions; the memory is their output.

    `dropout` is of what the embedding gives, and between the layers.
    """

    def __init__(
        self, cell: str, vocabulary_size: int, embedding_size: int, hidden_size: int, num_layers: int,
        state_tensors: int, state_size: int, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(2 * hidden_size, state_tensors)
        self.vocabulary_size = vocabulary_size
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.stack = RecurrentStack(cell, embedding_size, hidden_size, num_layers, bidirectional=True, dropout=dropout)
        self.add_bridge(state_size)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """tokens int64 [N, S], lengths [N] -> memory [N, S, 2 H], state, lengths of the memory [N]."""
        memory, _ = self.stack(self.dropout(self.embedding(tokens)), None, lengths)
        forward, reverse = memory.chunk(2, 2)
        state = self.first_state(torch.cat([last_step(forward, lengths), reverse[:, 0]], 1))
        if lengths is None:
            lengths = torch.full((len(tokens),), tokens.shape[1], device=tokens.device)
        return memory, state, lengths


class AttentionDecoder(nn.Module):
    """Embedding, recurrent layers, attention to the memory and scores of the next token; one step or many at once.

    `dropout` is of what the embedding and the attention give, and between the layers.
    """

    open_axes: ClassVar[dict[str, dict[int, str]]] = {"memory": {1: "memory_time"}, "memory_lengths": {}}

    def __init__(
        self, cell: str, vocabulary_size: int, embedding_size: int, hidden_size: int, num_layers: int,
        memory_size: int, shortcut: bool = False, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.vocabulary_size = vocabulary_size
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.stack = RecurrentStack(cell, embedding_size, hidden_size, num_layers, dropout=dropout)
        self.attention = Attention(hidden_size, memory_size, shortcut)
        self.fc = nn.Linear(hidden_size, vocabulary_size)

    def forward(
        self, tokens: Tensor, state: Tensor, memory: Tensor, memory_lengths: Tensor,
        target_lengths: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """tokens int64 [N, T] -> (logits [N, T, vocabulary] of the token after each, final state)."""
        hidden, final = self.stack(self.dropout(self.embedding(tokens)), state, target_lengths)
        return self.fc(self.dropout(self.attention(hidden, memory, memory_lengths))), final


class EncoderDecoder(nn.Module):
    """An encoder and a decoder in training: what comes next after each token of the right answer.

    For use, `edgenet.exporter.export_encoder_decoder` writes the two apart, and `edgenet.runtime.decoding` runs them.
    """

    def __init__(self, encoder: Encoder, decoder: AttentionDecoder, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.input_shape = input_shape

    def forward(
        self, x: Tensor, targets: Tensor, lengths: Tensor | None = None, target_lengths: Tensor | None = None
    ) -> Tensor:
        """x as the encoder takes it, targets int64 [N, T] from the begin mark on -> logits [N, T, vocabulary]."""
        memory, state, memory_lengths = self.encoder(x, lengths)
        return self.decoder(targets, state, memory, memory_lengths, target_lengths)[0]

    def example_inputs(self, samples: int) -> tuple[Tensor, ...]:
        """Made-up arguments of `forward`."""
        targets, target_lengths = random_tokens(samples, 7, self.decoder.vocabulary_size)
        if isinstance(self.encoder, TextEncoder):
            x, lengths = random_tokens(samples, self.input_shape[0], self.encoder.vocabulary_size)
        else:
            x, lengths = torch.randn(samples, *self.input_shape), torch.full((samples,), self.input_shape[-1])
        return x, targets, lengths, target_lengths


def _from_text(
    cell: str, source_vocabulary_size: int, target_vocabulary_size: int, embedding_size: int, hidden_size: int,
    num_layers: int, shortcut: bool, dropout: float = 0.0,
) -> EncoderDecoder:  # fmt: skip
    tensors = num_layers * (2 if cell == "lstm" else 1)
    encoder = TextEncoder(
        cell, source_vocabulary_size, embedding_size, hidden_size // 2, num_layers, tensors, hidden_size, dropout
    )
    decoder = AttentionDecoder(
        cell, target_vocabulary_size, embedding_size, hidden_size, num_layers, encoder.memory_size, shortcut, dropout
    )
    return EncoderDecoder(encoder, decoder, (12,))


@register_model
def translator(
    num_classes: int = 8000, scheme: str = "full", source_vocabulary_size: int = 8000, embedding_size: int = 128,
    hidden_size: int = 256, num_layers: int = 1, cell: str = "lstm", shortcut: bool = True, dropout: float = 0.3,
) -> EncoderDecoder:  # fmt: skip
    """Encoder-decoder with attention (Luong et al. 2015); the classes are the target vocabulary.

    `dropout` is the full network's: with 1-bit weights there is none, for they learn too little by heart.
    """
    dropout = dropout if scheme == "full" else 0.0
    return _from_text(
        cell, source_vocabulary_size, num_classes, embedding_size, hidden_size, num_layers, shortcut, dropout
    )


@register_model
def pronouncer(
    num_classes: int = 74, scheme: str = "full", source_vocabulary_size: int = 32, embedding_size: int = 64,
    hidden_size: int = 256, num_layers: int = 1, cell: str = "lstm", shortcut: bool = True,
) -> EncoderDecoder:  # fmt: skip
    """Letters to phonemes (Yao and Zweig 2015, arXiv:1506.00196, here with attention): small vocabularies."""
    return _from_text(cell, source_vocabulary_size, num_classes, embedding_size, hidden_size, num_layers, shortcut)
