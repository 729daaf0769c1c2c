"""train(): one network in its schemes, the full one first, each into the run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import nn

from edgenet import __version__
from edgenet.errors import EdgenetError
from edgenet.models.fitted import FittedNetwork
from edgenet.models.registry import SCHEMES
from edgenet.models.weights import load_pretrained, read_state_dict
from edgenet.nn import latent_signs, starved_channels
from edgenet.nn.binarization import check_precision
from edgenet.tasks import DataSet, SequenceDataSet
from edgenet.tasks.held_out import HeldOut
from edgenet.training.batches import calibration_batch
from edgenet.training.checkpoints import describe_change, load_checkpoint, save_checkpoint
from edgenet.training.data import AnyData, load_data, make_batches, make_objective, measure, output_size, set_aside
from edgenet.training.events import Event, print_event
from edgenet.training.files import write_json
from edgenet.training.fitting import OnEvent, Plan, fit_network, remove_state
from edgenet.training.mixed_precision import check_mixed
from edgenet.training.networks import Arguments, Factory, find_network
from edgenet.training.objectives import get_objective
from edgenet.training.processes import Processes
from edgenet.training.recipes import Recipes, choose_recipe


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network in one scheme: the model in inference mode, its checkpoint and what stands in the JSON."""

    scheme: str
    model: nn.Module
    metadata: dict[str, Any]
    checkpoint: Path

    @property
    def accuracy(self) -> float:
        """How good it is on the held-out samples, in the unit of the metric that `metadata["accuracy"]` names: for
        classes the share of samples classified rightly, 0 to 1."""
        return float(self.metadata["accuracy"]["value"])


def train(
    model: str | Factory, schemes: Sequence[str] = SCHEMES, data: str | Path | None = None, *,
    epochs: int | None = None, seed: int = 0, out: str | Path | None = None, resume: bool = False,
    ends: str | None = None, activations: str = "fp32", weights: str | Path | None = None,
    recipe: Recipes = "default", distill: bool = True,
    options: Mapping[str, Any] | None = None, on_event: OnEvent = print_event, progress_bar: bool | None = None,
    data_dir: str | Path | None = None, data_options: Mapping[str, Any] | None = None,
    devices: int = 1, nodes: int = 1, strategy: str = "auto", precision: str = "32", balanced: bool = False,
    flip: bool | None = None,
) -> list[TrainedNetwork]:  # fmt: skip
    """Train a network in the given schemes and write each into the run folder.

    model
        A name of the registry (see `edgenet.models.list_models`), "package.module:factory", or a factory: a callable
        without arguments that returns a torch model whose output is logits [N, classes]. A
        `edgenet.models.FittedNetwork` is fitted in closed form, without distillation; the others follow gradients.
        Networks that take samples of unequal lengths are those of the registry; the data decide their vocabularies and
        features.
    schemes
        Of "full", "bwn" and "xnor". The full network is trained even where it is not asked for, as long as a recipe has
        the binary ones start from its weights and learn from its answers (distillation).
    data
        A built-in set or one's own (see `edgenet.tasks.load`, and `load_sequences` for networks over sequences of
        unequal lengths); None takes the network's default.
    epochs
        Overrides the recipe's. 0 trains nothing: thresholds and statistics are set from a batch of training data.
    seed
        Decides initial weights, order and augmentation of the data.
    out
        The run folder, by default `runs/MODEL`. It gets SCHEME.safetensors and SCHEME.json, `samples.npz` with the
        held-out samples (`edgenet.tasks.held_out.HeldOut`), the vocabularies as `source-vocabulary.json` and
        `target-vocabulary.json`, `split.json` with the files of either split, and while at work `training-state/`.
    resume
        Go on where an interrupted run with the same options stopped; the final weights are those of a run that was
        not interrupted. Otherwise networks and training states that are there are overwritten.
    ends
        Of the binary networks: "fp32", "int8" or "binary", as for `edgenet.nn.binarize`; None: as the recipe has them.
    activations
        Of convolutions with 1-bit weights: "fp32" or "int8", as for `edgenet.nn.binarize`.
    weights
        Pretrained weights of the full network, .safetensors or .pth.
    recipe
        A name (see `list_recipes`), a Recipe for all schemes, or one a scheme.
    distill
        False: the binary networks learn from the classes alone, and don't wait for a full one that isn't asked for.
    options
        Of the network's factory, such as `input_size`; `edgenet.models.registry.factory_options` lists them.
    on_event
        Called with every `Event`; by default they are printed on standard error.
    progress_bar
        True, False, or None for one where standard error is a terminal.
    data_dir
        Where the files of a downloaded set lie, or are put (see `edgenet.tasks.load`).
    data_options
        Of `edgenet.tasks.load_sequences`, such as `languages`.
    devices, nodes, strategy
        Train in several processes, each on a device, `devices` of them on each of `nodes` machines (see
        `edgenet.training.processes.Processes`). They share out each batch, whose size stays that of the recipe, and
        normalise by all of it, so that the result is that of one process but for rounding; dropout and the like are
        drawn in each process by itself. All run this program; the first one alone writes files and tells events.
    precision
        "32", "bf16-mixed" or "16-mixed" (a GPU's): of the multiplications in training. Weights, their updates and
        everything that is measured or exported stay float32.
    balanced
        Classes weigh in the loss by how rare they are (`Recipe.balanced`), whatever the recipe says.
    flip
        Images are mirrored at random, or are not, whatever the recipe says; None: they are where the recipe or the data
        set has it so, as CIFAR-10 and Fashion-MNIST do.

    Returns the networks asked for, in the order full, bwn, xnor. Raises EdgenetError for whatever of the arguments, the
    data or the files doesn't serve; KeyboardInterrupt leaves what is done, and the state to resume from.
    """
    if not 0 <= seed < 2**32:
        raise EdgenetError(f"the seed is {seed}: use a number from 0 to {2**32 - 1}")
    check_precision(ends or "int8", activations)
    check_mixed(precision)
    processes = Processes(devices, nodes, strategy)
    processes.start()
    network = find_network(model, options)
    wanted = _check_schemes(schemes)
    network, dataset = load_data(network, data, data_dir, data_options)
    recipes = {scheme: choose_recipe(recipe, epochs, network.name, scheme, dataset.task) for scheme in SCHEMES}
    mirrors = isinstance(dataset, DataSet) and dataset.mirrors
    recipes = {
        scheme: replace(
            chosen, balanced=chosen.balanced or balanced, flip=chosen.flip or mirrors if flip is None else flip
        )
        for scheme, chosen in recipes.items()
    }
    for chosen in recipes.values():
        # What does not go together is said before anything is trained.
        make_objective(dataset, chosen)
        make_batches(dataset, chosen, seed, int)
    held_out, validation = HeldOut.of(dataset), None
    if any(chosen.patience for chosen in recipes.values()):
        dataset, validation = set_aside(dataset)
    run = Plan(
        network=network,
        data=dataset,
        held_out=held_out,
        validation=validation,
        calibration=_calibration(dataset),
        recipes=recipes,
        ends=ends,
        activations=activations,
        seed=seed,
        out=Path(out) if out is not None else Path("runs") / network.name.replace(":", "."),
        resume=resume,
        weights=None if weights is None else Path(weights),
        on_event=on_event if processes.first else lambda event: None,
        progress_bar=progress_bar,
        precision=precision,
        processes=processes,
    )
    trained: dict[str, TrainedNetwork] = {}
    needs_full = distill and any(recipes[scheme].needs_full for scheme in wanted if scheme != "full")
    needed = [scheme for scheme in SCHEMES if scheme in wanted or (scheme == "full" and needs_full)]
    processes.from_first(lambda: _prepare_folder(run, needed))
    with torch.random.fork_rng(devices=[]):
        for scheme in needed:
            full = trained.get("full")
            trained[scheme] = _train_scheme(run, scheme, full.model if full is not None else None, distill)
    return [trained[scheme] for scheme in needed if scheme in wanted]


def _prepare_folder(run: Plan, schemes: Sequence[str]) -> None:
    if not run.resume:
        for scheme in schemes:
            _remove_old(run.out, scheme)
    run.held_out.save(run.out / "samples.npz")
    if isinstance(run.data, SequenceDataSet):
        run.data.save_vocabularies(run.out)
    if run.data.files:
        write_json(run.out / "split.json", run.data.files)


def _calibration(data: AnyData) -> Arguments:
    """Arguments of `forward` for a batch of training data."""
    batch = calibration_batch(data)
    further = get_objective(data.task).arguments(batch)
    return (batch.inputs, further) if further else batch.inputs


def _check_schemes(schemes: Sequence[str]) -> set[str]:
    unknown = [scheme for scheme in schemes if scheme not in SCHEMES]
    if unknown or not schemes:
        raise EdgenetError(
            f"unknown scheme {unknown[0]!r}" if unknown else f"no schemes given: use {', '.join(SCHEMES)}"
        )
    return set(schemes)


def _remove_old(out: Path, scheme: str) -> None:
    # Else an interrupted second run, resumed, would take the first one's network for its own.
    for path in (out / f"{scheme}.json", out / f"{scheme}.safetensors"):
        path.unlink(missing_ok=True)
    remove_state(out, scheme)


def _train_scheme(run: Plan, scheme: str, full: nn.Module | None, distill: bool) -> TrainedNetwork:
    # What is fitted in closed form is fitted to the classes.
    teaches = get_objective(run.data.task).distils and not isinstance(full, FittedNetwork)
    teacher = full if distill and scheme != "full" and teaches and run.recipes[scheme].distillation else None
    settings = run.settings(scheme, teacher is not None)
    checkpoint = run.out / f"{scheme}.safetensors"
    if run.processes.from_first(lambda: run.resume and checkpoint.with_suffix(".json").is_file()):
        return _take_finished(run, scheme, checkpoint, settings, full)
    started = monotonic()
    recipe = run.recipes[scheme]
    plan = f"{recipe.epochs} epoch{'' if recipe.epochs == 1 else 's'} on {len(run.data.train)} samples"
    run.on_event(Event("start", scheme, plan, epochs=recipe.epochs))
    model = _initial_model(run, scheme, full)
    signs = latent_signs(model)
    fit_network(run, scheme, model, teacher, settings)
    model.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    accuracy = run.processes.from_first(lambda: measure(model, run.held_out, get_objective(run.data.task)))
    if recipe.epochs:
        for row in starved_channels(model, signs, warn=False):
            run.on_event(Event("warning", scheme, f"starved weights in {row}"))
    seconds = monotonic() - started
    metadata = _metadata(run, model, settings, accuracy, seconds)
    if run.processes.first:
        save_checkpoint(model, metadata, checkpoint)
        remove_state(run.out, scheme)
    run.on_event(Event("done", scheme, accuracy=accuracy, seconds=seconds, metric=run.held_out.metric))
    return TrainedNetwork(scheme, model, metadata, checkpoint)


def _take_finished(
    run: Plan, scheme: str, checkpoint: Path, settings: dict[str, Any], full: nn.Module | None
) -> TrainedNetwork:
    loaded: list[nn.Module] = []

    def load() -> dict[str, Any]:
        model, metadata = load_checkpoint(checkpoint, run.network.factory)
        _check_same(checkpoint, metadata, settings)
        loaded.append(model)
        return metadata

    metadata = run.processes.from_first(load)
    model = loaded[0] if loaded else _initial_model(run, scheme, full).eval()
    run.processes.take_weights(model)
    run.on_event(Event("note", scheme, f"trained already, taken from {checkpoint}"))
    return TrainedNetwork(scheme, model, metadata, checkpoint)


def _check_same(checkpoint: Path, metadata: dict[str, Any], settings: dict[str, Any]) -> None:
    changed = describe_change(metadata, settings)
    if changed:
        raise EdgenetError(
            f"cannot resume {checkpoint}: {changed}; repeat the first run's options, or start afresh without --resume"
        )


def _initial_model(run: Plan, scheme: str, full: nn.Module | None) -> nn.Module:
    torch.manual_seed(run.seed)
    classes = output_size(run.data)
    recipe = run.recipes[scheme]
    weights = full.state_dict() if full is not None and recipe.from_full else None
    if weights is None and run.weights is not None:
        base = run.network.build("full", classes, calibration=run.calibration)
        for sentence in load_pretrained(base, read_state_dict(run.weights)):
            run.on_event(Event("note", scheme, sentence))
        weights = base.state_dict()
    return run.network.build(
        scheme, classes, ends=run.ends_of(scheme), calibration=run.calibration, weights=weights,
        binary_options={**recipe.binary_options(), "activations": run.activations}, gains=recipe.fitted_gains,
    )  # fmt: skip


def _metadata(run: Plan, model: nn.Module, settings: dict[str, Any], accuracy: float, seconds: float) -> dict[str, Any]:
    report = getattr(model, "binarization_report", None)
    return {
        **settings,
        "format": 1,
        "task": run.data.task,
        "classes": run.data.classes,
        "preprocessing": run.data.preprocessing,
        "epochs": settings["recipe"]["epochs"],
        "layers": report.as_list() if report is not None else [],
        "accuracy": {"metric": run.held_out.metric, "value": accuracy, "samples": len(run.held_out)},
        "training_seconds": round(seconds, 1),
        "processes": run.processes.count,
        "edgenet_version": __version__,
        "torch_version": torch.__version__,
    }
