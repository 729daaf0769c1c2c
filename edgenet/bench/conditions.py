"""What must not become worse: `slower:5%`, `larger:1%`, `loss:0.5%`, for checks that nobody watches."""

from dataclasses import dataclass

from edgenet.bench.comparison import Change, Comparison, RowComparison
from edgenet.errors import EdgenetError
from edgenet.tasks.measures import get_measure

# Of each kind the figures that it goes by, the first that a row has. A microcontroller has no clock, and of the file
# only what becomes flash.
_FIGURES = {
    "slower": ("microcontroller.instructions", "speedup", "latency_ms.p50"),
    "larger": ("microcontroller.flash_bytes", "file_bytes"),
    "loss": ("accuracy",),
}
_NAMES = {"microcontroller.instructions": "instructions", "microcontroller.flash_bytes": "flash"}


@dataclass(frozen=True)
class Condition:
    """A change for the worse, and how much of it is let pass."""

    kind: str
    """`slower`, `larger` or `loss`."""
    limit: float
    """A share; of `loss` that of right answers, or the metric's own unit."""
    text: str
    """As it was written."""

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read `slower:5%` or `slower:0.05`.

        Raises:
            EdgenetError: the text is neither.
        """
        kind, _, limit = text.partition(":")
        try:
            value = float(limit.removesuffix("%")) / (100 if limit.endswith("%") else 1)
        except ValueError:
            value = -1.0
        if kind not in _FIGURES or not 0 <= value < float("inf"):
            raise EdgenetError(f"{text!r} is no condition; write slower:5%, larger:1% or loss:0.5%.")
        return cls(kind, value, text)

    def failures(self, comparison: Comparison) -> list[str]:
        """Return a sentence for every row that became worse by more than the limit, beyond doubt.

        `slower` goes by the speedup over full where both results have one, else by the latency, and `slower` and
        `loss` hold where the whole 95 % interval lies beyond the limit; `larger` goes by the file. Of a microcontroller
        `slower` goes by instructions and `larger` by flash; that there are none any more is a failure. Where no row has
        the figure in both results, that is a failure too: a check that compares nothing must not pass.
        """
        told = [(row, change) for row in comparison.rows if (change := self._figure(row)) is not None]
        if not told:
            return [f"{self.text}: no row has that figure in both results"]
        return [sentence for row, change in told if (sentence := self._failure(row, change))]

    def _figure(self, row: RowComparison) -> Change | None:
        changes = {change.figure: change for change in row.changes}
        return next((changes[figure] for figure in _FIGURES[self.kind] if figure in changes), None)

    def _failure(self, row: RowComparison, change: Change) -> str | None:
        if self.kind == "loss":
            least = change.least_loss
            if least is None or least <= self.limit:
                return None
            measure = get_measure(change.metric)
            unit = " points" if measure.fraction else ""
            return f"{row.label} lost {measure.write_loss(least)}{unit} of {measure.words} or more"
        name = _NAMES.get(change.figure)
        if change.second is None:
            return f"{row.label} has no {name} any more: {'; '.join(row.flags.get('second', []))}"
        ratio, low, high = change.ratio or 1.0, change.low, change.high
        if change.figure == "speedup":
            ratio, low, high = 1 / ratio, 1 / (high or ratio), 1 / (low or ratio)
        if (ratio if low is None else low) <= 1 + self.limit:
            return None
        interval = "" if low is None or high is None else f" (95 % interval {low - 1:+.1%} to {high - 1:+.1%})"
        label = f"{row.label}, by {name}," if name else row.label
        return f"{label} is {self.kind} by {ratio - 1:.1%}{interval}"
