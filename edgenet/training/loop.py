"""One training of one network, as a Lightning module."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from edgenet.models.layers import AuxiliaryOutputs
from edgenet.nn import BinaryLayer, clip_latent_weights, set_progress
from edgenet.training.checkpoints import Moments, restore_optimizer
from edgenet.training.events import Event
from edgenet.training.objectives import Choices, Objective, TensorBatch
from edgenet.training.processes import Processes, seed_process, share_of
from edgenet.training.recipes import Recipe

ALONE = Processes()
AUXILIARY_SHARE = 0.3
"""Weight of each intermediate classifier's loss (Szegedy et al. 2015, GoogLeNet, arXiv:1409.4842, section 5)."""


def auxiliary_loss(outputs: Any, targets: Tensor) -> Tensor | float:
    """AUXILIARY_SHARE times the cross-entropies of the intermediate classifiers; 0 for a model that has none."""
    if not isinstance(outputs, AuxiliaryOutputs):
        return 0.0
    losses = [F.cross_entropy(logits, targets) for logits in outputs.auxiliary]
    return AUXILIARY_SHARE * torch.stack(losses).sum()


def distillation_loss(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """`T^2 KL(teacher || student)` of answers softened by the temperature T (Hinton et al. 2015, section 2)."""
    student = F.log_softmax(logits / temperature, dim=1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=1)
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


class TrainingLoop(LightningModule):
    """Trains `network` by a recipe, from `first_epoch` on, with `teacher` (or None) as its example.

    After every epoch it calls `on_epoch_end(epoch, optimizer)`, epochs counted from 1 since the very start; where that
    says True no epoch follows.
    """

    def __init__(
        self, network: nn.Module, objective: Objective, recipe: Recipe, scheme: str, seed: int, steps_per_epoch: int, *,
        processes: Processes = ALONE, first_epoch: int, teacher: nn.Module | None, moments: Moments | None,
        on_event: Callable[[Event], None], on_epoch_end: Callable[[int, torch.optim.Optimizer], bool],
    ) -> None:  # fmt: skip
        super().__init__()
        self.network, self.objective, self.processes = network, objective, processes
        self.recipe, self.scheme, self.seed, self.steps_per_epoch = recipe, scheme, seed, steps_per_epoch
        self.first_epoch = first_epoch
        # In a list, so that Lightning takes it neither for something to train nor to save.
        self._teacher = [teacher] if teacher is not None else []
        self._moments = moments
        self._on_event, self._on_epoch_end = on_event, on_epoch_end
        self._started = time.monotonic()
        self._loss = self._correct = torch.zeros(())
        self._samples = self._answers = 0

    def absolute_epoch(self) -> int:
        """The epoch at work, counted from 0 since the very start."""
        return self.first_epoch + self.current_epoch

    def step_of_training(self) -> tuple[int, int]:
        """The first epoch and the number of epochs of the step of training at work: the one with float weights, where
        the recipe has it, or the one with binary ones."""
        epochs = self.recipe.float_weight_epochs
        return (0, epochs) if self.absolute_epoch() < epochs else (epochs, self.recipe.epochs - epochs)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        latent = {id(module.weight) for module in self.network.modules() if isinstance(module, BinaryLayer)}
        decayed: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        for parameter in self.network.parameters():
            is_float_weight = parameter.dim() > 1 and id(parameter) not in latent
            (decayed if is_float_weight else plain).append(parameter)
        groups = [{"params": decayed, "weight_decay": self.recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        # Lightning clips no gradients whose scale, of mixed precision, a fused optimizer would take off by itself.
        fused = not self.recipe.gradient_clip or self.trainer.precision == "32-true"
        optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=self.recipe.learning_rate, fused=fused
        )
        if self._moments is not None:
            restore_optimizer(optimizer, self._moments)
        return optimizer

    def on_fit_start(self) -> None:
        for teacher in self._teacher:
            teacher.to(self.device).eval()

    def on_train_epoch_start(self) -> None:
        # Whatever else is random, dropout for one, starts from seed and epoch as well.
        seed_process(self.seed * 1_000_003 + self.absolute_epoch(), self.processes)
        self._loss = self._correct = torch.zeros((), device=self.device)
        self._samples = self._answers = 0
        for module in self.network.modules():
            if isinstance(module, BinaryLayer):
                module.float_weights = self.absolute_epoch() < self.recipe.float_weight_epochs

    def on_train_batch_start(self, batch: TensorBatch, batch_index: int) -> None:
        first_epoch, epochs = self.step_of_training()
        total = self.steps_per_epoch * epochs
        step = (self.absolute_epoch() - first_epoch) * self.steps_per_epoch + batch_index
        rate = self.recipe.learning_rate * learning_rate_factor(step, total, self.recipe.warmup)
        if first_epoch:
            rate *= self.recipe.second_rate
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate
        set_progress(self.network, step / total)

    def training_step(self, batch: TensorBatch, batch_index: int) -> Tensor:
        outputs = self.objective.outputs(self.network, batch)
        loss = self.objective.loss(outputs, batch) * self._share(self.objective.weight(outputs, batch))
        for teacher in self._teacher:
            assert isinstance(self.objective, Choices)
            with torch.no_grad():
                taught = self.objective.outputs(teacher, batch)
            logits, teacher_logits = (self.objective.answers(answers, batch)[0] for answers in (outputs, taught))
            share = self.recipe.distillation
            taught_loss = distillation_loss(logits, teacher_logits, self.recipe.temperature)
            loss = (1 - share) * loss + share * taught_loss * self._share(logits.new_tensor(len(logits)))
        samples = loss.new_tensor(len(batch.targets))
        loss = loss + auxiliary_loss(outputs, batch.targets) * self._share(samples)
        # The mean of the processes' losses is the loss of the whole batch.
        self._loss = self._loss + loss.detach() * self.processes.total(samples) / self.processes.count
        self._samples += len(batch.targets)
        right, count = self.objective.right(outputs, batch)
        self._correct = self._correct + right
        self._answers += count
        return loss

    def _share(self, weight: Tensor) -> Tensor | float:
        return share_of(weight, self.processes)

    def on_train_batch_end(self, outputs: Any, batch: TensorBatch, batch_index: int) -> None:
        clip_latent_weights(self.network)

    def on_train_epoch_end(self) -> None:
        epoch = self.absolute_epoch() + 1
        if self.processes.from_first(lambda: self._on_epoch_end(epoch, self.trainer.optimizers[0])):
            self.trainer.should_stop = True
        counts = [float(value) for value in (self._loss, self._correct, self._samples, self._answers)]
        totals = self.processes.total(torch.tensor(counts, device=self.device))
        loss, correct, samples, answers = totals.tolist()
        self._on_event(
            Event(
                "epoch", self.scheme, epoch=epoch, epochs=self.recipe.epochs, loss=loss / samples,
                accuracy=correct / answers, seconds=time.monotonic() - self._started,
            )
        )  # fmt: skip


def learning_rate_factor(step: int, total: int, warmup: float) -> float:
    """Linear rise over the share `warmup` of all steps, then half a cosine down to 0."""
    rise = max(1.0, warmup * total)
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, total - rise)))
