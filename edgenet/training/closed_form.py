"""Training of networks that are fitted in closed form, in the place of epochs of gradient steps."""

from collections.abc import Callable, Iterator

from torch import Tensor

from edgenet.models.fitted import FittedNetwork
from edgenet.tasks import Split
from edgenet.training.batches import Batches
from edgenet.training.events import Event
from edgenet.training.recipes import Recipe


def fit_closed_form(
    model: FittedNetwork, split: Split, recipe: Recipe, scheme: str, seed: int, on_event: Callable[[Event], None]
) -> None:
    """Fit to all samples, once an epoch of the recipe: each time the images are moved anew."""

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for epoch in range(recipe.epochs):
            yield from ((batch.inputs, batch.targets) for batch in _one_epoch(split, recipe, seed, epoch))

    count = model.fit(batches())
    on_event(Event("note", scheme, f"read-out fitted in closed form to {count:,} samples"))


def _one_epoch(split: Split, recipe: Recipe, seed: int, epoch: int) -> Batches:
    return Batches(split, recipe.batch_size, seed, recipe.shift, lambda: epoch, recipe.flip)
