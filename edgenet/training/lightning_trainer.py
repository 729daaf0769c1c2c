"""Lightning's Trainer, without its banners, folders and habits."""

import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, RichProgressBar

from edgenet.training.batches import AnyBatches
from edgenet.training.loop import TrainingLoop
from edgenet.training.memory import keep_freed_memory
from edgenet.training.processes import Share
from edgenet.training.shared_statistics import shared_statistics

_LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")


class _ProgressBar(RichProgressBar):
    """Lightning's bar, on standard error, its epochs counted as ours are: from 1, since the very start."""

    def __init__(self, loop: TrainingLoop) -> None:
        super().__init__(console_kwargs={"stderr": True})
        self._loop = loop

    def _get_train_description(self, current_epoch: int) -> str:
        return f"{self._loop.scheme}: epoch {self._loop.first_epoch + current_epoch + 1}/{self._loop.recipe.epochs}"


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what Lightning says that a user of edgenet cannot act on."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message=r".*litlogger.*|.*LeafSpec.*|.*treespec.*")
            warnings.filterwarnings("ignore", module=r"torch\.distributed\..*")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _bf16_everywhere() -> Iterator[None]:
    """Where oneDNN has no LSTM in bf16, on a CPU without AVX-512, leave it to torch's own kernels."""
    onednn: Any = torch.backends.mkldnn
    if not onednn.is_available() or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        yield
        return
    before, onednn.enabled = onednn.enabled, False
    try:
        yield
    finally:
        onednn.enabled = before


def fit(loop: TrainingLoop, batches: AnyBatches, *, precision: str = "32", progress_bar: bool | None = None) -> None:
    """Run the epochs that the loop has left. `progress_bar` None shows one where standard error is a terminal.

    Raises KeyboardInterrupt when interrupted (Lightning would end the process).
    """
    keep_freed_memory()
    processes = loop.processes
    show_bar = processes.first and (sys.stderr.isatty() if progress_bar is None else progress_bar)
    callbacks: list[Callback] = [_ProgressBar(loop)] if show_bar else []
    settings: dict[str, Any] = {
        "max_epochs": loop.recipe.epochs - loop.first_epoch,
        "gradient_clip_val": (loop.recipe.gradient_clip or None) if loop.automatic_optimization else None,
        "accelerator": "auto",
        "devices": processes.devices,
        "num_nodes": processes.nodes,
        "strategy": processes.strategy if processes.count > 1 else "auto",
        "precision": precision,
        "callbacks": callbacks,
        "enable_progress_bar": show_bar,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    on_interrupt = signal.getsignal(signal.SIGINT)
    several = processes.count > 1
    bf16 = precision == "bf16-mixed"
    with (
        quiet(),
        shared_statistics(loop.network) if several else nullcontext(),
        _bf16_everywhere() if bf16 else nullcontext(),
    ):
        trainer = Trainer(**settings)
        try:
            trainer.fit(loop, train_dataloaders=Share(batches, processes) if several else batches)
        except SystemExit as exit_:
            if not trainer.interrupted:
                raise
            signal.signal(signal.SIGINT, on_interrupt)
            raise KeyboardInterrupt from exit_
