"""What each network is to reach, and whether it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from edgenet.tasks.measures import get_measure
from edgenet.training.recipes import get_recipe

Row = dict[str, Any]
OPEN, MET = "open", "met"


@dataclass(frozen=True)
class Target:
    """The worst value of `full`, the largest loss of `bwn` and `xnor`, all in the metric's own unit (fractions), and
    how many times smaller the file of `xnor` is to be. `full` None: better than the baseline that the result names."""

    full: float | None
    bwn: float
    xnor: float
    smaller: float = 10.0


# By network and the name that its data have in a result.
TARGETS = {
    ("lenet5", "digits"): Target(0.98, 0.005, 0.01),
    ("text_classifier", "SMSSpamCollection"): Target(0.93, 0.01, 0.03),
    ("frame_classifier", "recordings"): Target(0.96, 0.015, 0.04),
    ("frame_labeller", "recordings"): Target(0.85, 0.02, 0.05),
    ("captioner", "digit-words"): Target(0.97, 0.01, 0.03),
    ("string_reader", "digit-strings"): Target(0.90, 0.02, 0.05),
    ("pronouncer", "cmudict"): Target(0.12, 0.015, 0.04),
    ("language_model", "m30k-en"): Target(None, 0.06, 0.20),
    ("resnet20", "cifar10"): Target(0.875, 0.015, 0.05, 15),
    ("resnet18", "cifar10"): Target(0.91, 0.01, 0.025, 19),
    ("vgg_small", "cifar10"): Target(0.90, 0.01, 0.025, 19),
    ("resnet18", "fashion-mnist"): Target(0.935, 0.007, 0.02, 19),
    ("translator", "m30k-en-de"): Target(25.0, 2.0, 5.0, 0.0),
}


def aim(rows: Sequence[Row]) -> str:
    """What the rows of one network, data set and scheme are to reach, as it stands in the table; "" for no target."""
    target, scheme = _target(rows), rows[0]["scheme"]
    if target is None:
        return ""
    measure = get_measure(rows[0]["metric"])
    factor, unit = (100, " %") if measure.fraction else (1, "")
    if scheme != "full":
        smaller = f", {target.smaller:g}x" if scheme == "xnor" and target.smaller else ""
        return f"loss <= {factor * getattr(target, scheme):g}{smaller}"
    if target.full is None:
        baseline = rows[0].get("baseline", {"name": "its baseline", "value": float("nan")})
        return f"better than {baseline['name']}, {baseline['value']:.3f}"
    return f"{'>=' if measure.higher_is_better else '<='} {factor * target.full:g}{unit}"


def status(rows: Sequence[Row], full: Sequence[Row]) -> str:
    """ "met" or "open" by the mean over seeds, "" for no target; a binary row is open as long as `full` is.

    A training of fewer epochs than the recipe has is called shortened, and is open; so is one by what has been replaced
    since, of which a result says "outdated".
    """
    target, scheme = _target(rows), rows[0]["scheme"]
    if target is None:
        return ""
    if any(map(shortened, rows)):
        return "open (shortened)"
    if any("outdated" in row for row in rows):
        return "open (outdated)"
    met = _reaches_floor(target, full) and not any(map(shortened, full))
    if scheme != "full":
        met = met and mean(row["loss_vs_full"] for row in rows) <= getattr(target, scheme)
    if scheme == "xnor":
        met = met and mean(row["size_ratio"] for row in rows) >= target.smaller
    return MET if met else OPEN


def shortened(row: Row) -> bool:
    """Whether a result had fewer epochs than its recipe has."""
    recipe = row.get("recipe")
    name = row.get("recipe_name", "default")
    return recipe is not None and row["epochs"] < get_recipe(name, row["model"], row["scheme"]).epochs


def _target(rows: Sequence[Row]) -> Target | None:
    return TARGETS.get((rows[0]["model"], rows[0]["data"]))


def _reaches_floor(target: Target, full: Sequence[Row]) -> bool:
    if not full:
        return False
    measure = get_measure(full[0]["metric"])
    if target.full is None:
        return all("baseline" in row and measure.loss(row["baseline"]["value"], row["value"]) < 0 for row in full)
    return measure.loss(target.full, mean(row["value"] for row in full)) <= 0
