"""Words and characters by number."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgenet.errors import EdgenetError
from edgenet.files import write_whole

PADDING, UNKNOWN, BEGIN, END = "<pad>", "<unk>", "<s>", "</s>"
MARKS = (PADDING, UNKNOWN, BEGIN, END)
UNITS = ("word", "token", "character")
_WORDS = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id; id 0 is padding, and the blank of connectionist temporal classification.

    unit
        "word": lower-cased runs of letters and digits, and single other signs; "token": what white space parts, for
        text that is tokenised already; "character".
    tokens
        By id, `<pad>` first; `<unk>`, `<s>` (begin) and `</s>` (end) where they are used.
    """

    unit: str
    tokens: tuple[str, ...]

    @classmethod
    def build(
        cls, texts: Iterable[str], unit: str = "word", *, minimum_count: int = 1, maximum_size: int | None = None,
        marks: tuple[str, ...] = MARKS,
    ) -> "Vocabulary":  # fmt: skip
        """The tokens of some texts, the training split's, most frequent first, behind `marks`.

        `minimum_count` leaves rare tokens out, `maximum_size` (marks included) the rarest. Raises EdgenetError for
        another unit.
        """
        if unit not in UNITS:
            raise EdgenetError(f"a vocabulary of {unit!r} is not known: use one of {', '.join(UNITS)}")
        counts = Counter(token for text in texts for token in split_text(text, unit))
        frequent = sorted((-count, token) for token, count in counts.items() if count >= minimum_count)
        tokens = (*marks, *(token for _, token in frequent if token not in marks))
        return cls(unit, tokens[:maximum_size])

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def encode(self, text: str, marks: bool = False) -> NDArray[np.int64]:
        """The ids [T] of a text's tokens; `marks` puts begin and end around them.

        A token that is not known gets the id of `<unk>`. Raises EdgenetError where the vocabulary has none.
        """
        tokens = split_text(text, self.unit)
        unknown = self._ids.get(UNKNOWN, -1)
        ids = [self._ids.get(token, unknown) for token in tokens]
        if -1 in ids:
            token = tokens[ids.index(-1)]
            raise EdgenetError(f"{token!r} is not in the vocabulary, which has no {UNKNOWN}: add it, or leave it out")
        return np.array([self._ids[BEGIN], *ids, self._ids[END]] if marks else ids, np.int64)

    def decode(self, ids: ArrayLike) -> str:
        """The text of ids [T], up to the first end; begin and padding are left out."""
        tokens = []
        for index in np.asarray(ids).tolist():
            token = self.tokens[index]
            if token == END:
                break
            if token not in (PADDING, BEGIN):
                tokens.append(token)
        return ("" if self.unit == "character" else " ").join(tokens)

    def save(self, path: Path) -> None:
        """Write JSON: {"unit": ..., "tokens": [...]}."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"unit": self.unit, "tokens": self.tokens}, ensure_ascii=False, indent=0) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read what `save` wrote. Raises EdgenetError for a file that is something else."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            unit, tokens = content["unit"], tuple(content["tokens"])
        except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
            raise EdgenetError(
                f"{path} holds no vocabulary ({type(error).__name__}): take the run folder's own"
            ) from error
        if unit not in UNITS or tokens[:1] != (PADDING,) or not all(isinstance(token, str) for token in tokens):
            raise EdgenetError(f"{path} holds no vocabulary: it needs a unit, and tokens of which {PADDING} is first")
        return cls(unit, tokens)


def split_text(text: str, unit: str) -> list[str]:
    """The tokens of a text."""
    if unit == "character":
        return list(text)
    return text.split() if unit == "token" else _WORDS.findall(text.lower())
