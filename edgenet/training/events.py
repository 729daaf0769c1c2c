"""What training tells of its progress."""

import sys
from dataclasses import dataclass
from typing import Literal

from edgenet.tasks.measures import TOP1, get_measure


@dataclass(frozen=True)
class Event:
    """One piece of news: a scheme started ("start"), an epoch ended ("epoch"), a scheme is done, a remark or warning.

    `epoch` counts from 1; `loss` and `accuracy` (a fraction) of an epoch are over the training data; the accuracy of
    "done" is over the held-out data, in the unit of its `metric` (see `edgenet.tasks.measures`); `seconds` is the time
    since the scheme started, in this process.
    """

    kind: Literal["start", "epoch", "done", "note", "warning"]
    scheme: str
    text: str = ""
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    accuracy: float | None = None
    seconds: float = 0.0
    metric: str = TOP1

    def __str__(self) -> str:
        if self.kind == "epoch":
            return (
                f"{self.scheme}: epoch {self.epoch}/{self.epochs}, loss {self.loss:.4f}, "
                f"training accuracy {self.accuracy:.1%}, {self.seconds:.0f} s"
            )
        if self.kind == "done" and self.accuracy is not None:
            measure = get_measure(self.metric)
            value = measure.write(self.accuracy)
            return f"{self.scheme}: {measure.words} {value} on held-out data, {self.seconds:.0f} s"
        return f"{self.scheme}: {'warning: ' if self.kind == 'warning' else ''}{self.text}"


def print_event(event: Event) -> None:
    """Print an event as one line on standard error."""
    print(event, file=sys.stderr, flush=True)
