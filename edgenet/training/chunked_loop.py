"""Training of a network over sequences by truncated back-propagation through time."""

from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.nn import clip_latent_weights
from edgenet.training.loop import TrainingLoop, distillation_loss
from edgenet.training.objectives import TensorBatch, logits_of
from edgenet.training.processes import Processes
from edgenet.training.recipes import Recipe
from edgenet.training.truncated import truncated_backpropagation


def check_chunks(model: nn.Module, recipe: Recipe, precision: str, processes: Processes) -> None:
    """Raises EdgenetError where a model cannot be trained by chunks of `recipe.tbptt` steps."""
    names = list(signature(model.forward).parameters)
    if names[1:3] != ["state", "lengths"]:
        raise EdgenetError(
            f"truncated back-propagation (tbptt {recipe.tbptt}) is for networks that hand on a state, such as "
            f"language_model and frame_labeller, and {type(model).__name__} does not: use a recipe with tbptt 0"
        )
    if recipe.tbptt < 0 or processes.count > 1 or precision == "16-mixed":
        raise EdgenetError(
            f"truncated back-propagation (tbptt {recipe.tbptt}) takes 1 step or more, one process, and precision 32 or "
            "bf16-mixed"
        )


class ChunkedLoop(TrainingLoop):
    """The same by chunks of `recipe.tbptt` steps: the optimizer takes a step after each, the state goes on to the next.

    The network gives logits [N, T, classes] and its state, targets [N, T] are a class, or the next token, a step.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.automatic_optimization = False

    def training_step(self, batch: TensorBatch, batch_index: int) -> Tensor:
        optimizer: Any = self.optimizers()
        with torch.no_grad():
            taught = [logits_of(self.objective.outputs(teacher, batch)).flatten(0, 1) for teacher in self._teacher]
        targets, weights = batch.targets.flatten(), self.objective.class_weights
        # Places in the batch stand for the targets, so that the teacher's answers are found by them as well.
        places = torch.arange(len(targets), device=targets.device).view_as(batch.targets)

        def loss(logits: Tensor, where: Tensor) -> Tensor:
            right = targets[where]
            self._correct = self._correct + (logits.argmax(1) == right).sum()
            self._answers += len(right)
            mean = F.cross_entropy(logits, right, None if weights is None else weights.to(logits.device))
            for teacher_logits in taught:
                share = self.recipe.distillation
                learnt = distillation_loss(logits, teacher_logits[where], self.recipe.temperature)
                mean = (1 - share) * mean + share * learnt
            return mean

        def step() -> None:
            if self.recipe.gradient_clip:
                self.clip_gradients(optimizer, self.recipe.gradient_clip, "norm")
            optimizer.step()
            optimizer.zero_grad()
            clip_latent_weights(self.network)

        optimizer.zero_grad()
        mean, _ = truncated_backpropagation(
            self.network, batch.inputs, places, loss, self.recipe.tbptt, lengths=batch.lengths, after_chunk=step
        )
        self._loss = self._loss + mean * len(batch.targets)
        self._samples += len(batch.targets)
        return mean
