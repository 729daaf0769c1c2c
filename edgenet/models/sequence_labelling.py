"""Many-to-many networks without delay: class scores for each step as it comes."""

from torch import Tensor, nn

from edgenet.models.examples import random_frames, random_tokens
from edgenet.models.recurrent_stack import RecurrentStack
from edgenet.models.registry import register_model


class OnlineLabeller(nn.Module):
    """Recurrent layers that read forward, and a linear read-out of each step; the state goes in and out.

    x is [N, T, features], or int64 [N, T] with an embedding; lengths [N], or None where nothing is padded. An app feeds
    as many steps as it has and the state that it was given, zeros at first.
    """

    def __init__(self, stack: RecurrentStack, num_classes: int, embedding: nn.Embedding | None = None) -> None:
        super().__init__()
        self.embedding, self.stack = embedding, stack
        self.fc = nn.Linear(stack.output_size, num_classes)

    def forward(self, x: Tensor, state: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """-> (logits [N, T, classes], final state); see `RecurrentStack` for the state."""
        output, final = self.stack(x if self.embedding is None else self.embedding(x), state, lengths)
        return self.fc(output), final


class FrameLabeller(OnlineLabeller):
    """A class for each frame of features, as in online speech recognition."""

    def __init__(self, cell: str, num_classes: int, in_channels: int, hidden_size: int, num_layers: int) -> None:
        super().__init__(RecurrentStack(cell, in_channels, hidden_size, num_layers), num_classes)
        self.input_shape = (40, in_channels)

    def example_inputs(self, samples: int) -> tuple[Tensor, None, Tensor]:
        """Made-up arguments of `forward`."""
        x, lengths = random_frames(samples, *self.input_shape)
        return x, None, lengths


class LanguageModel(OnlineLabeller):
    """Scores of the next token, below `vocabulary_size`, after each token; 0 is padding."""

    def __init__(
        self, cell: str, vocabulary_size: int, embedding_size: int, hidden_size: int, num_layers: int, dropout: float,
        shortcuts: bool,
    ) -> None:  # fmt: skip
        stack = RecurrentStack(cell, embedding_size, hidden_size, num_layers, dropout=dropout, shortcuts=shortcuts)
        super().__init__(stack, vocabulary_size, nn.Embedding(vocabulary_size, embedding_size, padding_idx=0))
        self.input_shape = (32,)
        self.vocabulary_size = vocabulary_size

    def example_inputs(self, samples: int) -> tuple[Tensor, None, Tensor]:
        """Made-up arguments of `forward`."""
        tokens, lengths = random_tokens(samples, self.input_shape[0], self.vocabulary_size)
        return tokens, None, lengths


class TokenLabeller(nn.Module):
    """A class for each token of a whole sentence, read in both directions (Huang et al. 2015, arXiv:1508.01991)."""

    def __init__(
        self, cell: str, num_classes: int, vocabulary_size: int, embedding_size: int, hidden_size: int, num_layers: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=0)
        self.stack = RecurrentStack(cell, embedding_size, hidden_size, num_layers, bidirectional=True)
        self.fc = nn.Linear(self.stack.output_size, num_classes)
        self.input_shape = (24,)
        self.vocabulary_size = vocabulary_size

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [N, T], lengths [N] -> logits [N, T, classes]."""
        return self.fc(self.stack(self.embedding(tokens), None, lengths)[0])

    def example_inputs(self, samples: int) -> tuple[Tensor, Tensor]:
        """Made-up arguments of `forward`."""
        return random_tokens(samples, self.input_shape[0], self.vocabulary_size)


@register_model
def frame_labeller(
    num_classes: int = 11, scheme: str = "full", in_channels: int = 40, hidden_size: int = 192, num_layers: int = 2,
    cell: str = "gru",
) -> FrameLabeller:  # fmt: skip
    """Recurrent layers that read forward, a class a frame, state in and out."""
    return FrameLabeller(cell, num_classes, in_channels, hidden_size, num_layers)


@register_model
def token_labeller(
    num_classes: int = 10, scheme: str = "full", vocabulary_size: int = 8000, embedding_size: int = 64,
    hidden_size: int = 64, num_layers: int = 1, cell: str = "lstm",
) -> TokenLabeller:  # fmt: skip
    """Embedding and recurrent layers in both directions, a class a token."""
    return TokenLabeller(cell, num_classes, vocabulary_size, embedding_size, hidden_size, num_layers)


@register_model
def language_model(
    num_classes: int = 96, scheme: str = "full", embedding_size: int = 64, hidden_size: int = 256, num_layers: int = 2,
    cell: str = "lstm", dropout: float = 0.1, shortcuts: bool = True,
) -> LanguageModel:  # fmt: skip
    """Recurrent language model (Mikolov et al. 2010) over characters or words; the classes are the vocabulary.

    `dropout` is the full network's: with 1-bit weights there is none, for they learn too little by heart.
    """
    dropout = dropout if scheme == "full" else 0.0
    return LanguageModel(cell, num_classes, embedding_size, hidden_size, num_layers, dropout, shortcuts)
