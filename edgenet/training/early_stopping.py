"""Early stopping: training ends where the validation split has not got better for some epochs."""

from pathlib import Path

from torch import nn

from edgenet.tasks.held_out import HeldOut
from edgenet.tasks.measures import get_measure
from edgenet.training.data import measure
from edgenet.training.files import read_tensors, write_tensors
from edgenet.training.objectives import get_objective


class EarlyStopping:
    """Keeps the weights of the epoch that did best on the validation split (Prechelt 1998, Early stopping, but when?).

    They lie in the file `path`, from which a resumed training knows what was best so far.
    """

    def __init__(self, validation: HeldOut, patience: int, path: Path) -> None:
        self.validation, self.patience, self.path = validation, patience, path
        self.best_epoch, self._best = 0, 0.0
        if path.is_file():
            metadata = read_tensors(path)[1]
            self.best_epoch, self._best = int(metadata["epoch"]), float(metadata["value"])

    def look(self, model: nn.Module, epoch: int) -> bool:
        """Measure the model after an epoch, counted from 1, and say whether that was enough of them."""
        training = model.training
        value = measure(model.eval(), self.validation, get_objective(self.validation.task))
        model.train(training)
        if not self.best_epoch or get_measure(self.validation.metric).loss(self._best, value) < 0:
            self.best_epoch, self._best = epoch, value
            write_tensors(self.path, model.state_dict(), {"epoch": str(epoch), "value": repr(value)})
        return self.is_over(epoch)

    def is_over(self, epoch: int) -> bool:
        """Whether no epoch was better for `patience` epochs."""
        return epoch - self.best_epoch >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Give the model the weights of the best epoch."""
        model.load_state_dict(read_tensors(self.path)[0])
