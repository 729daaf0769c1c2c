"""Training of a network in its three schemes: recipes, distillation, checkpoints, resume. On Lightning."""

from edgenet.training.checkpoints import load_checkpoint, save_checkpoint
from edgenet.training.events import Event, print_event
from edgenet.training.recipes import Recipe, get_recipe, list_recipes
from edgenet.training.run import TrainedNetwork, train
from edgenet.training.truncated import detach_state, truncated_backpropagation

__all__ = [
    "Event",
    "Recipe",
    "TrainedNetwork",
    "detach_state",
    "get_recipe",
    "list_recipes",
    "load_checkpoint",
    "print_event",
    "save_checkpoint",
    "train",
    "truncated_backpropagation",
]
