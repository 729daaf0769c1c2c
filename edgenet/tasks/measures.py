"""What is measured, by its name: in which unit, and whether more of it is better. Free of numpy."""

from dataclasses import dataclass

from edgenet.errors import EdgenetError

TOP1, F1, FRAMES, EXACT = "top1", "f1", "frame_accuracy", "exact_match"
PHONEMES, BLEU = "phoneme_error_rate", "bleu"
CHARACTER_BITS, TOKEN_BITS = "bits_per_character", "bits_per_token"


@dataclass(frozen=True)
class Measure:
    """A metric of `edgenet.tasks.metrics`.

    fraction
        Its values are from 0 to 1 (an error rate's may lie above) and are written in percent.
    share
        It is a share of the samples counted, so that an interval can be had from their number.
    """

    name: str
    words: str
    fraction: bool = True
    higher_is_better: bool = True
    share: bool = False

    def loss(self, full: float, value: float) -> float:
        """How much worse than the full network's a value is, in the metric's own unit; negative where it is better."""
        return full - value if self.higher_is_better else value - full

    def write(self, value: float) -> str:
        """A value as people read it, such as "97.3 %" or "1.48"."""
        return f"{100 * value:.1f} %" if self.fraction else f"{value:.3f}"

    def write_loss(self, loss: float) -> str:
        """A loss: of fractions in points, else in the metric's own unit."""
        return f"{100 * loss + 0.0:.1f}" if self.fraction else f"{loss + 0.0:.3f}"


_MEASURES = (
    Measure(TOP1, "accuracy", share=True),
    Measure(F1, "F1 of the rarer class"),
    Measure(FRAMES, "frame accuracy"),
    Measure(EXACT, "exact match", share=True),
    Measure(PHONEMES, "phoneme error rate", higher_is_better=False),
    Measure(BLEU, "BLEU", fraction=False),
    Measure(CHARACTER_BITS, "bits a character", fraction=False, higher_is_better=False),
    Measure(TOKEN_BITS, "bits a token", fraction=False, higher_is_better=False),
)


def get_measure(name: str) -> Measure:
    """The metric of that name. Raises EdgenetError for a name that is not known."""
    for measure in _MEASURES:
        if measure.name == name:
            return measure
    raise EdgenetError(f"unknown metric {name!r}: use one of {', '.join(measure.name for measure in _MEASURES)}")
