"""A program that trains two tiny networks in N processes: `python -m tests.training.several_processes N OUT`.

In OUT lie `stripes` and `rhymes.txt`; what `interrupted` holds of a training is resumed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from torch import nn

from edgenet.training import Recipe, train
from tests.training.data import SHAPE

IMAGES = Recipe(2, 5e-3, batch_size=8, shift=1, gradient_clip=5.0, weight_decay=0.01, balanced=True)
TEXT = Recipe(2, 5e-3, batch_size=12, gradient_clip=1.0)


def quiet() -> nn.Module:
    """A network that draws no random numbers, with normalisation and no bias before it, whose gradient is but noise."""
    body: list[nn.Module] = []
    for inputs in (3, 8):
        body += [nn.Conv2d(inputs, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Hardtanh()]
    model = nn.Sequential(*body, nn.Flatten(), nn.Linear(8 * 36, 2))
    model.input_shape = SHAPE  # type: ignore[assignment]
    return model


def run(devices: int, root: Path, name: str, *, on_event: Any = None, **options: Any) -> list[tuple[str, int, float]]:
    """Train images or text into root/name; scheme, number and loss of each epoch."""
    losses: list[tuple[str, int, float]] = []

    def note(event: Any) -> None:
        if event.kind == "epoch":
            losses.append((event.scheme, event.epoch, event.loss))
        if on_event is not None:
            on_event(event)

    given: dict[str, Any] = {"out": root / name, "on_event": note, "progress_bar": False, "devices": devices}
    if name.startswith("text"):
        sizes = {"embedding_size": 8, "hidden_size": 10, "dropout": 0.0}
        given |= {"recipe": TEXT, "options": sizes, "data_options": {"language": "txt"}}
        train("language_model", ["full", "xnor"], root / "rhymes", **given, **options)
    else:
        train(
            "tests.training.several_processes:quiet",
            ["full", "bwn"],
            root / "stripes",
            recipe=IMAGES,
            **given,
            **options,
        )
    return losses


if __name__ == "__main__":
    devices, root = int(sys.argv[1]), Path(sys.argv[2])
    found = {"images-two": run(devices, root, "images-two"), "text-two": run(devices, root, "text-two")}
    found["interrupted"] = run(devices, root, "interrupted", resume=True)
    # The first process alone tells events.
    if found["interrupted"]:
        (root / "losses.json").write_text(json.dumps(found))
