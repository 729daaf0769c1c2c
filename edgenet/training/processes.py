"""Several processes that train one network together, each on a device of its own, of one machine or more."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.training.objectives import TensorBatch

T = TypeVar("T")
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")


@dataclass(frozen=True)
class Processes:
    """`devices` processes on each of `nodes` machines, by one of Lightning's strategies; all run the same program.

    The network is whole on every device, the batch is shared out. The first process alone writes files. Several of
    them must be started by `start` before anything else is asked.

    Raises EdgenetError for numbers below 1, and for a strategy that is unknown or shards the network.
    """

    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        if min(self.devices, self.nodes) < 1:
            raise EdgenetError(f"{self.devices} devices on {self.nodes} nodes: use 1 or more of each")
        if self.strategy not in STRATEGIES:
            raise EdgenetError(
                f"unknown strategy {self.strategy!r}: use one of {', '.join(STRATEGIES)}, those of Lightning "
                "that keep a whole network on every device and start processes that run this program"
            )

    @property
    def count(self) -> int:
        return self.devices * self.nodes

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        if self.count == 1:
            return True
        if distributed.is_initialized():
            return distributed.get_rank() == 0
        for name in ("RANK", "SLURM_PROCID"):
            if name in os.environ:
                return os.environ[name] == "0"
        return {os.environ.get(name, "0") for name in ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK")} == {"0"}

    def start(self) -> None:
        """Start the others, unless torchrun or the like did, and meet them. They run this program from its beginning.

        Raises EdgenetError where there are not as many devices.
        """
        if self.count == 1 or distributed.is_initialized():
            return
        from lightning.fabric import Fabric
        from lightning.fabric.utilities.exceptions import MisconfigurationException

        from edgenet.training.lightning_trainer import quiet

        try:
            with quiet():
                Fabric(accelerator="auto", devices=self.devices, num_nodes=self.nodes, strategy=self.strategy).launch()
        except (MisconfigurationException, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise EdgenetError(f"{self.devices} devices on {self.nodes} nodes cannot be had: {reason}") from error

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` returns in the first process, in all of them; an EdgenetError that it raises is raised in all."""
        if self.count == 1:
            return make()
        parts: list[Any] = [None, None]
        if self.first:
            try:
                parts[0] = make()
            except EdgenetError as error:
                parts[1] = str(error)
        distributed.broadcast_object_list(parts)
        if parts[1] is not None:
            raise EdgenetError(parts[1])
        return parts[0]

    def take_weights(self, model: nn.Module) -> None:
        """Give the model in every process the state of that in the first one."""
        if self.count > 1:
            state = self.from_first(lambda: {name: tensor.cpu() for name, tensor in model.state_dict().items()})
            model.load_state_dict(state)

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.count > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values


class Share:
    """The part of every batch that is this process's: each makes the whole batch and takes every n-th sample of it."""

    def __init__(self, batches: Any, processes: Processes) -> None:
        self.batches, self.count = batches, processes.count
        self.rank = distributed.get_rank()

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[TensorBatch]:
        for batch in self.batches:
            if len(batch.targets) < self.count:
                raise EdgenetError(
                    f"a batch of {len(batch.targets)} samples cannot be shared by {self.count} processes: "
                    "use a recipe with a larger batch_size, or fewer devices"
                )
            part = slice(self.rank, None, self.count)
            yield TensorBatch(*(None if tensor is None else tensor[part] for tensor in batch))  # type: ignore[arg-type]


def share_of(weight: Tensor, processes: Processes) -> Tensor | float:
    """What this process's mean over `weight` answers is multiplied with, so that the mean of all processes' losses is
    that over all answers."""
    return 1.0 if processes.count == 1 else weight * processes.count / processes.total(weight)


def seed_process(seed: int, processes: Processes) -> None:
    """Seed what is random in a layer, such as dropout: of its own in each process."""
    rank = distributed.get_rank() if processes.count > 1 else 0
    torch.manual_seed(seed + rank * 7_919)
