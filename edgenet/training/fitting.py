"""From initial weights to trained ones: one network in one scheme, from its first epoch or from where it stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgenet.models.fitted import FittedNetwork
from edgenet.tasks import DataSet
from edgenet.tasks.held_out import HeldOut
from edgenet.training.checkpoints import Moments, load_training_state, save_training_state
from edgenet.training.closed_form import fit_closed_form
from edgenet.training.data import AnyData, make_batches, make_objective, output_size
from edgenet.training.early_stopping import EarlyStopping
from edgenet.training.events import Event
from edgenet.training.networks import Arguments, Network
from edgenet.training.processes import Processes
from edgenet.training.recipes import Recipe

OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class Plan:
    """What `train` was asked for, its data loaded; `validation` is what early stopping looks at."""

    network: Network
    data: AnyData
    held_out: HeldOut
    validation: HeldOut | None
    calibration: Arguments
    recipes: dict[str, Recipe]
    ends: str | None
    activations: str
    seed: int
    out: Path
    resume: bool
    weights: Path | None
    on_event: OnEvent
    progress_bar: bool | None
    precision: str = "32"
    processes: Processes = field(default_factory=Processes)

    def ends_of(self, scheme: str) -> str:
        """The ends of a scheme: those asked for, else those of its recipe."""
        return "fp32" if scheme == "full" else self.ends or self.recipes[scheme].ends

    def settings(self, scheme: str, distilled: bool) -> dict[str, Any]:
        """What decides the outcome; a resumed training must have the same."""
        return {
            "model": self.network.name,
            "options": self.network.recorded_options(),
            "scheme": scheme,
            "ends": self.ends_of(scheme),
            "activations": self.activations if scheme != "full" else "fp32",
            "data": self.data.name,
            "training_samples": len(self.data.train),
            "input_shape": list(self.data.input_shape),
            "output_size": output_size(self.data),
            "seed": self.seed,
            "recipe": self.recipes[scheme].as_dict(),
            "precision": self.precision,
            "distilled": distilled,
            "weights": None if self.weights is None else self.weights.name,
        }


def state_path(out: Path, scheme: str) -> Path:
    """Where the state of a training at work is kept."""
    return out / "training-state" / f"{scheme}.safetensors"


def _best_path(out: Path, scheme: str) -> Path:
    return out / "training-state" / f"{scheme}-best.safetensors"


def remove_state(out: Path, scheme: str) -> None:
    """Remove what is kept of a training at work."""
    for path in (state_path(out, scheme), _best_path(out, scheme)):
        path.unlink(missing_ok=True)


def fit_network(run: Plan, scheme: str, model: nn.Module, teacher: nn.Module | None, settings: dict[str, Any]) -> None:
    """Train a model from initial weights, or from where the training of a resumed run stopped; it ends on the CPU."""
    recipe = run.recipes[scheme]
    if isinstance(model, FittedNetwork):
        if recipe.epochs:
            assert isinstance(run.data, DataSet)
            fit_closed_form(model, run.data.train, recipe, scheme, run.seed, run.on_event)
        return
    processes = run.processes
    done, moments = processes.from_first(lambda: _load_state(run, scheme, model, settings))
    if done:
        processes.take_weights(model)
        run.on_event(Event("note", scheme, f"resumed after epoch {done}", epoch=done, epochs=recipe.epochs))
    stopping = None
    if run.validation is not None and recipe.patience and processes.first:
        stopping = EarlyStopping(run.validation, recipe.patience, _best_path(run.out, scheme))
    enough = processes.from_first(lambda: stopping is not None and done > 0 and stopping.is_over(done))
    if done < recipe.epochs and not enough:
        _run_epochs(run, scheme, model, teacher, settings, done, moments, stopping)
    if stopping is not None and stopping.best_epoch:
        stopping.restore(model)
        run.on_event(Event("note", scheme, f"weights of epoch {stopping.best_epoch}, the best on the validation split"))
    processes.take_weights(model)


def _load_state(run: Plan, scheme: str, model: nn.Module, settings: dict[str, Any]) -> tuple[int, Moments | None]:
    """Epochs done and the optimizer's moments of a training that is resumed, its weights put into the model."""
    state = state_path(run.out, scheme)
    return load_training_state(state, model, settings) if run.resume and state.is_file() else (0, None)


def _run_epochs(
    run: Plan, scheme: str, model: nn.Module, teacher: nn.Module | None, settings: dict[str, Any], done: int,
    moments: Moments | None, stopping: EarlyStopping | None,
) -> None:  # fmt: skip
    # Lightning takes seconds to import; nothing before needs it.
    from edgenet.training.chunked_loop import ChunkedLoop, check_chunks
    from edgenet.training.lightning_trainer import fit
    from edgenet.training.loop import TrainingLoop

    recipe = run.recipes[scheme]
    if recipe.tbptt:
        check_chunks(model, recipe, run.precision, run.processes)

    def end_epoch(epoch: int, optimizer: torch.optim.Optimizer) -> bool:
        enough = stopping is not None and stopping.look(model, epoch)
        save_training_state(state_path(run.out, scheme), model, optimizer, epoch, settings)
        return enough

    model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    loop: TrainingLoop
    batches = make_batches(run.data, recipe, run.seed, lambda: loop.absolute_epoch())
    loop = (ChunkedLoop if recipe.tbptt else TrainingLoop)(
        model, make_objective(run.data, recipe), recipe, scheme, run.seed, len(batches),
        processes=run.processes, first_epoch=done, teacher=teacher, moments=moments,
        on_event=run.on_event, on_epoch_end=end_epoch,
    )  # fmt: skip
    fit(loop, batches, precision=run.precision, progress_bar=run.progress_bar)
    model.cpu()
    if teacher is not None:
        teacher.cpu()
