"""Data for one network: loaded, its sizes handed to the network, and what it is measured on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.models.encoder_decoder import EncoderDecoder
from edgenet.runtime.answers import read_answers
from edgenet.runtime.decoding import greedy_search
from edgenet.tasks import DataSet, SequenceDataSet, load, load_sequences
from edgenet.tasks.catalog import CAPTIONING, IMAGES
from edgenet.tasks.held_out import HeldOut
from edgenet.tasks.ragged import Ragged
from edgenet.training.batches import AnyBatches, Batches, SequenceBatches
from edgenet.training.networks import Network
from edgenet.training.objectives import Objective, TensorBatch, get_objective
from edgenet.training.recipes import Recipe
from edgenet.training.word_dropout import WordDropout

AnyData = DataSet | SequenceDataSet
_BATCH = 128
_ASIDE = 10  # one training sample in so many is set aside where a data set has no validation split


def load_data(
    network: Network, data: str | Path | None, data_dir: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Network, AnyData]:  # fmt: skip
    """The data, by default the network's own, and the network with the sizes that they decide.

    `options` are those of `edgenet.tasks.load_sequences`. Raises EdgenetError for data that do not serve the network.
    """
    chosen = data if data is not None else network.default_data
    if not network.ragged:
        if options:
            raise EdgenetError(f"{network.name} takes samples of one size, whose data have no {', '.join(options)}")
        return network, load(chosen, network.input_shape(), network.task, data_dir)
    options = dict(options or {})
    if network.task == CAPTIONING and Path(chosen).exists():
        options.setdefault("input_shape", network.input_shape())
    sequences = load_sequences(chosen, network.task, **options)
    return network.fitted_to(sequences), sequences


def set_aside(data: AnyData) -> tuple[AnyData, HeldOut]:
    """The data, and its validation split; without one of its own every tenth training sample leaves it for that."""
    away = np.arange(len(data.train)) % _ASIDE == _ASIDE - 1
    if isinstance(data, DataSet):
        raw, targets = data.train.raw, data.train.targets
        train, taken = (replace(data.train, raw=raw[part], targets=targets[part]) for part in (~away, away))
        return replace(data, train=train), HeldOut.of(replace(data, test=taken))
    if data.validation is not None:
        return data, HeldOut.of(replace(data, test=data.validation))
    kept, validation = (data.train.take(np.flatnonzero(part)) for part in (~away, away))
    return replace(data, train=kept), HeldOut.of(replace(data, test=validation))


def output_size(data: AnyData) -> int:
    """Numbers a network gives for a sample or a step."""
    return len(data.classes) if isinstance(data, DataSet) else data.output_size


def check_mirrors(data: AnyData) -> None:
    """Raises EdgenetError for data that cannot be mirrored."""
    if data.task != IMAGES:
        raise EdgenetError(f"images with classes can be mirrored, and {data.name} has none: train without flip")


def make_batches(data: AnyData, recipe: Recipe, seed: int, epoch: Any) -> AnyBatches:
    """The training split in batches; `epoch()` tells which epoch it is.

    Raises EdgenetError for word dropout of what has no words, and for mirroring what are no images.
    """
    if recipe.flip:
        check_mirrors(data)
    if isinstance(data, SequenceDataSet):
        dropout = WordDropout.of(data, recipe.word_dropout) if recipe.word_dropout else None
        return SequenceBatches(data.train, recipe.batch_size, seed, recipe.shift, epoch, dropout)
    if recipe.word_dropout:
        raise EdgenetError(f"word dropout is for texts, and {data.name} has none: use a recipe with word_dropout 0")
    return Batches(data.train, recipe.batch_size, seed, recipe.shift, epoch, recipe.flip)


def make_objective(data: AnyData, recipe: Recipe) -> Objective:
    """The objective of the data's task, its classes weighed as the recipe says."""
    return get_objective(data.task, class_weights(data) if recipe.balanced else None)


def class_weights(data: AnyData) -> Tensor:
    """`N / (classes * N of the class)` [classes]: each class counts as much as any other in sum."""
    targets = data.train.targets
    classes = targets.values if isinstance(targets, Ragged) else targets
    counts = np.bincount(classes, minlength=len(data.classes))
    return torch.from_numpy(len(classes) / (len(counts) * np.maximum(counts, 1))).float()


@torch.no_grad()
def measure(model: nn.Module, held_out: HeldOut, objective: Objective) -> float:
    """How good the answers of a model in inference mode are, by the metric of the held-out samples."""
    answers: list[Any] = []
    device = next(model.parameters()).device
    for start in range(0, len(held_out), _BATCH):
        part = held_out.part(slice(start, start + _BATCH))
        batch = TensorBatch.of(part).to(device)
        if isinstance(model, EncoderDecoder):
            answers += _decode(model, batch, held_out)
            continue
        outputs = objective.outputs(model, batch)
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        arrays = [output.cpu().numpy() for output in several]
        answers += read_answers(held_out.task, arrays, part.lengths, part.targets)
    return held_out.value(answers)


def _decode(model: EncoderDecoder, batch: TensorBatch, held_out: HeldOut) -> list[list[int]]:
    """What an encoder-decoder says by greedy search, as `edgenet.runtime.decoding.SequenceDecoder` runs its files."""
    memory, state, memory_lengths = model.encoder(batch.inputs, batch.lengths)

    def step(tokens: Any, state: Any, samples: Any) -> tuple[Any, Any]:
        of, read, before = (torch.from_numpy(array).to(memory.device) for array in (samples, tokens[:, None], state))
        logits, following = model.decoder(read, before, memory[of], memory_lengths[of])
        return logits[:, -1].cpu().numpy(), following.cpu().numpy()

    return greedy_search(step, state.cpu().numpy(), held_out.begin, held_out.end, held_out.most_steps)
