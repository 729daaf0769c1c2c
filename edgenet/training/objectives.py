"""What each task is trained by: the arguments of its networks, its loss, and what of their answers is right."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.nn import step_mask
from edgenet.runtime.ctc import BLANK, ctc_greedy
from edgenet.tasks import catalog
from edgenet.tasks.held_out import HeldOut
from edgenet.tasks.sequences import Batch


class TensorBatch(NamedTuple):
    """A batch as tensors: as `edgenet.tasks.Batch`, the lengths None where all samples are of one size."""

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    target_lengths: Tensor | None = None

    @classmethod
    def of(cls, batch: Batch | HeldOut) -> "TensorBatch":
        """The arrays of a batch, not copied."""
        lengths = (
            None if array is None else torch.from_numpy(array) for array in (batch.lengths, batch.target_lengths)
        )
        return cls(torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets), *lengths)

    def to(self, device: torch.device) -> "TensorBatch":
        """The same on a device."""
        return TensorBatch(*(None if tensor is None else tensor.to(device) for tensor in self))  # type: ignore[arg-type]


class Objective(ABC):
    """What one task is trained by. `class_weights` [classes] weigh the targets in the loss, None: all alike."""

    distils: ClassVar[bool] = False
    """Whether a teacher's answers stand beside the student's, one to one."""

    def __init__(self, class_weights: Tensor | None = None) -> None:
        self.class_weights = class_weights

    def arguments(self, batch: TensorBatch) -> dict[str, Tensor]:
        """What `forward` takes besides the inputs, by name."""
        return {} if batch.lengths is None else {"lengths": batch.lengths}

    def outputs(self, network: nn.Module, batch: TensorBatch) -> Any:
        """Run a network on a batch."""
        return network(batch.inputs, **self.arguments(batch))

    @abstractmethod
    def loss(self, outputs: Any, batch: TensorBatch) -> Tensor:
        """The mean loss of a batch."""

    def weight(self, outputs: Any, batch: TensorBatch) -> Tensor:
        """What `loss` is a mean over: a number of samples, or the weights of the answers in sum."""
        return torch.tensor(float(len(batch.targets)), device=batch.targets.device)

    @abstractmethod
    def right(self, outputs: Any, batch: TensorBatch) -> tuple[Tensor, int]:
        """How many answers are right, and how many there are."""


class Choices(Objective):
    """An objective of answers that are each a choice among classes."""

    distils = True

    @abstractmethod
    def answers(self, outputs: Any, batch: TensorBatch) -> tuple[Tensor, Tensor]:
        """Logits [M, classes] and targets [M]: M are the samples, or the real steps of all of them."""

    def loss(self, outputs: Any, batch: TensorBatch) -> Tensor:
        """Mean cross-entropy of the answers."""
        logits, targets = self.answers(outputs, batch)
        weights = self.class_weights
        return F.cross_entropy(logits, targets, None if weights is None else weights.to(logits.device))

    def weight(self, outputs: Any, batch: TensorBatch) -> Tensor:
        _, targets = self.answers(outputs, batch)
        if self.class_weights is None:
            return torch.tensor(float(len(targets)), device=targets.device)
        return self.class_weights.to(targets.device)[targets].sum()

    def right(self, outputs: Any, batch: TensorBatch) -> tuple[Tensor, int]:
        logits, targets = self.answers(outputs, batch)
        return (logits.argmax(1) == targets).sum(), len(targets)


class Classes(Choices):
    """A class a sample."""

    def answers(self, outputs: Any, batch: TensorBatch) -> tuple[Tensor, Tensor]:
        return logits_of(outputs), batch.targets


class Steps(Choices):
    """A class, or the next token, a step; what is padding counts nowhere."""

    def answers(self, outputs: Any, batch: TensorBatch) -> tuple[Tensor, Tensor]:
        logits = logits_of(outputs)
        assert batch.lengths is not None
        real = step_mask(batch.lengths, logits.shape[1]).t()
        return logits[real], batch.targets[real]


class Transduction(Choices):
    """What comes next after each token of the right answer (teacher forcing, Williams and Zipser 1989)."""

    def arguments(self, batch: TensorBatch) -> dict[str, Tensor]:
        assert batch.target_lengths is not None
        read = {"targets": batch.targets[:, :-1], "target_lengths": batch.target_lengths - 1}
        return {**super().arguments(batch), **read}

    def answers(self, outputs: Any, batch: TensorBatch) -> tuple[Tensor, Tensor]:
        logits = logits_of(outputs)
        assert batch.target_lengths is not None
        real = step_mask(batch.target_lengths - 1, logits.shape[1]).t()
        return logits[real], batch.targets[:, 1:][real]


class Alignments(Objective):
    """Connectionist temporal classification (Graves et al. 2006): `-log` of all paths that mean the string.

    The answer of no single step is right or wrong, nor need two networks spell a string at the same steps.
    """

    def loss(self, outputs: Any, batch: TensorBatch) -> Tensor:
        logits, steps = outputs
        assert batch.target_lengths is not None
        scores = logits.log_softmax(2).transpose(0, 1)
        return F.ctc_loss(scores, batch.targets, steps, batch.target_lengths, BLANK, zero_infinity=True)

    def right(self, outputs: Any, batch: TensorBatch) -> tuple[Tensor, int]:
        assert batch.target_lengths is not None
        found = ctc_greedy(outputs[0].detach().cpu().numpy(), outputs[1].cpu().numpy())
        wanted = zip(batch.targets.tolist(), batch.target_lengths.tolist(), strict=True)
        same = [string == ids[:length] for string, (ids, length) in zip(found, wanted, strict=True)]
        return torch.tensor(sum(same)), len(same)


_OBJECTIVES: dict[str, type[Objective]] = {
    catalog.IMAGES: Classes,
    catalog.SEQUENCES: Classes,
    catalog.LABELLING: Steps,
    catalog.LANGUAGE: Steps,
    catalog.TRANSDUCTION: Transduction,
    catalog.CAPTIONING: Transduction,
    catalog.STRINGS: Alignments,
}


def get_objective(task: str, class_weights: Tensor | None = None) -> Objective:
    """The objective of a task. Raises EdgenetError for class weights where targets are no classes."""
    kind = _OBJECTIVES[task]
    if class_weights is not None and task not in (catalog.IMAGES, catalog.SEQUENCES, catalog.LABELLING):
        raise EdgenetError(f"class weights are for classes, and {task} has none: use a recipe without")
    return kind(class_weights)


def logits_of(outputs: Any) -> Tensor:
    """The logits of a network, also of one that hands on a state as well."""
    logits: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return logits
