"""What rows of the study of accuracy are to reach, and the n-gram model that a language model has to beat."""

import math

import numpy as np
import pytest

from benchmarks.accuracy.ngram import WittenBell, ngram_bits
from benchmarks.accuracy.table import table
from edgenet.tasks import load_sequences
from edgenet.training.recipes import get_recipe


def row(scheme: str, value: float, loss: float = 0.0, **changes) -> dict:
    return {
        "model": "captioner", "data": "digit-words", "scheme": scheme, "ends": "int8", "metric": "exact_match",
        "value": value, "loss_vs_full": loss, "file_bytes": 1000, "size_ratio": 12.0, "seed": 0,
        "epochs": get_recipe("default", "captioner", scheme).epochs, "recipe": {},
        "environment": {"trained_on": "CPU"}, **changes,
    }  # fmt: skip


def ends_of_lines(*rows: dict) -> list[str]:
    return [" | ".join(line.split(" | ")[-2:]) for line in table(rows).splitlines()[2:]]


def test_a_row_that_reaches_what_it_should_is_met() -> None:
    rows = [row("full", 0.97), row("bwn", 0.96, 0.01), row("xnor", 0.94, 0.03)]
    assert ends_of_lines(*rows) == [">= 97 % | met |", "loss <= 1 | met |", "loss <= 3, 10x | met |"]


@pytest.mark.parametrize(
    ("changes", "open_rows"),
    [({"value": 0.969}, 3), ({"scheme": "bwn", "loss_vs_full": 0.011}, 1), ({"scheme": "xnor", "size_ratio": 9.9}, 1)],
)
def test_a_row_that_does_not_is_open_and_so_are_those_that_stand_on_it(changes: dict, open_rows: int) -> None:
    rows = [row("full", 0.97), row("bwn", 0.97), row("xnor", 0.97)]
    rows = [one | changes if one["scheme"] == changes.get("scheme", "full") else one for one in rows]
    assert sum(end.endswith("open |") for end in ends_of_lines(*rows)) == open_rows


def test_a_training_cut_short_is_called_so_and_its_binary_rows_are_open() -> None:
    rows = [row("full", 0.99, epochs=2), row("bwn", 0.99), row("xnor", 0.99, epochs=1)]
    assert [end.split(" | ")[1] for end in ends_of_lines(*rows)] == [
        "open (shortened) |", "open |", "open (shortened) |",
    ]  # fmt: skip


def test_a_result_by_what_has_been_replaced_since_is_open() -> None:
    rows = [row("full", 0.99), row("bwn", 0.99, outdated="by another normalisation")]
    assert [end.split(" | ")[1] for end in ends_of_lines(*rows)] == ["met |", "open (outdated) |"]


def test_what_nobody_asked_for_has_no_status() -> None:
    assert ends_of_lines(row("full", 0.5, model="elman", data="digits")) == [" |  |"]


def test_further_test_sets_are_reported_in_lines_of_their_own() -> None:
    lines = table([row("full", 0.98, model="string_reader", data="digit-strings", further={"long": 0.75})]).splitlines()
    assert lines[3].startswith("| string_reader | digit-strings, long | full | int8 | exact_match | 75.00 % |")
    assert lines[3].endswith("| reported |")


def test_a_language_model_is_met_where_it_beats_the_ngram_model() -> None:
    changes = {"model": "language_model", "data": "m30k-en", "metric": "bits_per_character"}
    baseline = {"baseline": {"name": "interpolated 5-gram", "value": 1.48}}
    rows = [row("full", 1.47, **changes, **baseline), row("bwn", 1.50, 0.03, **changes, **baseline)]
    assert ends_of_lines(*rows) == ["better than interpolated 5-gram, 1.480 | met |", "loss <= 0.06 | met |"]
    worse = row("full", 1.49, **changes, **baseline)
    assert ends_of_lines(worse)[0].endswith("| open |")


def test_probabilities_of_all_tokens_add_up_to_one() -> None:
    random = np.random.default_rng(0)
    model = WittenBell([random.integers(0, 6, 30) for _ in range(5)], 7, order=3)
    for history in ([0], [2, 4], [5, 5, 1], [6, 6, 6]):
        assert sum(model.probability(token, history) for token in range(7)) == pytest.approx(1)


def test_an_ngram_model_is_interpolated_by_witten_and_bell() -> None:
    model = WittenBell([np.array([0, 1, 1, 2])], 4, order=2)
    # After 1 came 1 and 2, each once; of all three tokens two were 1, and below that all four are alike.
    lower = (2 + 2 * 1 / 4) / (3 + 2)
    assert model.probability(1, [1]) == pytest.approx((1 + 2 * lower) / (2 + 2))
    assert model.probability(3, [3]) == pytest.approx((0 + 2 * 1 / 4) / (3 + 2))
    assert model.bits([np.array([3, 3])]) == pytest.approx(-math.log2(0.1))


def test_a_text_that_repeats_itself_takes_few_bits(tmp_path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("".join(f"abcabcabc {number}\n" for number in range(100, 400)))
    # Nothing is open but two or three digits of some fourteen characters.
    assert 0.5 < ngram_bits(load_sequences(path, "language-modelling")) < 1.3
