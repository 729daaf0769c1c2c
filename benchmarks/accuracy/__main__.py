"""`python -m benchmarks.accuracy MODEL`: train a network in its schemes, measure the exported files, rebuild the table.

A JSON file a scheme and seed goes to `results/`; `table.md` and a plot a network beside it are made anew from all files
there. Training goes on where it was interrupted. Accuracies are those of the exported file in ONNX Runtime.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from benchmarks.accuracy.ngram import ORDER, ngram_bits
from benchmarks.accuracy.results import read_results, result_name
from benchmarks.accuracy.table import table
from edgenet.cli.data import columns_option, languages_option, pattern_option, sequence_options
from edgenet.errors import EdgenetError
from edgenet.files import write_whole
from edgenet.tasks.measures import CHARACTER_BITS, get_measure

RESULTS = Path(__file__).parent / "results"
_SCHEMES = ("full", "bwn", "xnor")


@click.command()
@click.argument("model", required=False)
@click.option("--data", help="A name of edgenet data, or your own files; default by network.")
@languages_option
@columns_option
@pattern_option
@click.option("--seeds", default="0", show_default=True, metavar="LIST", help="Such as 0,1,2.")
@click.option("--ends", default="int8", show_default=True, type=click.Choice(["fp32", "int8", "binary"]))
@click.option("--recipe", default="default", show_default=True, help="How to train.")
@click.option("--flip", is_flag=True, default=None, help="Mirror images at random in training.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's; the result says so.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs/accuracy"), show_default=True)
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where results and table are kept.")
def main(
    model: str | None,
    data: str | None,
    languages: str | tuple[str, ...] | None,
    columns: tuple[str | int, ...] | None,
    pattern: str | None,
    seeds: str,
    ends: str,
    recipe: str,
    flip: bool | None,
    epochs: int | None,
    runs: Path,
    results: Path,
) -> None:
    """Train MODEL and measure what binarisation costs; without MODEL only the table and plots are made anew."""
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise click.UsageError(f"--seeds is {seeds!r}; give whole numbers with commas between them.") from None
    try:
        if model is not None:
            of_data = sequence_options(languages, columns, pattern)
            options = {
                "data": data, "data_options": of_data, "ends": ends, "recipe": recipe, "epochs": epochs, "flip": flip,
            }  # fmt: skip
            for seed in numbers:
                measure(model, seed, runs, results, options)
        rebuild(results)
    except EdgenetError as error:
        raise click.ClickException(str(error)) from error


def measure(model: str, seed: int, runs: Path, results: Path, options: dict[str, Any]) -> None:
    """Train one network in all schemes with a seed and write its results.

    Raises:
        EdgenetError: network, data or recipe do not serve.
    """
    from edgenet.training import Event, train

    curves: dict[str, list[dict[str, Any]]] = {scheme: [] for scheme in _SCHEMES}

    def tell(event: Event) -> None:
        click.echo(str(event), err=True)
        if event.kind == "epoch":
            curves[event.scheme].append({"epoch": event.epoch, "loss": event.loss, "accuracy": event.accuracy})

    name = "-".join(
        str(part) for part in (model, options["data"] or "default", options["ends"], options["recipe"], seed)
    )
    folder = runs / name.replace("/", "_").replace(":", ".")
    trained = train(model, out=folder, seed=seed, resume=folder.exists(), on_event=tell, **options)
    results.mkdir(parents=True, exist_ok=True)
    rows = [_row(network, folder, curves[network.scheme]) for network in trained]
    _add_further(rows, model, folder, options)
    full = rows[0]
    for row in rows:
        row["recipe_name"] = options["recipe"]
        row["loss_vs_full"] = get_measure(row["metric"]).loss(full["value"], row["value"])
        row["size_ratio"] = full["file_bytes"] / row["file_bytes"]
        write_whole(results / result_name(row), json.dumps(row, indent=1) + "\n")


def _row(network: Any, folder: Path, curve: Sequence[dict[str, Any]]) -> dict[str, Any]:
    from edgenet.bench.machine import environment
    from edgenet.cli.export import export_network

    metadata = network.metadata
    file = folder / f"{network.scheme}.onnx"
    exported = export_network(network.model, metadata, file, folder / "samples.npz")
    # The curve of a training that was taken up again is in the first result only.
    kept = folder / f"{network.scheme}-curve.json"
    if curve:
        write_whole(kept, json.dumps(list(curve)))
    return {
        "model": metadata["model"],
        "data": metadata["data"],
        "scheme": network.scheme,
        "ends": metadata["ends"],
        "metric": metadata["accuracy"]["metric"],
        "value": _accuracy(exported.path, folder / "samples.npz"),
        "loss_vs_full": 0.0,
        "seed": metadata["seed"],
        "epochs": metadata["epochs"],
        "recipe": metadata["recipe"],
        "samples": metadata["accuracy"]["samples"],
        "agreement": exported.agreement,
        "file_bytes": exported.file_bytes,
        "size_ratio": 1.0,
        "training_seconds": metadata["training_seconds"],
        "environment": {**environment(1), "torch": metadata["torch_version"], "trained_on": _trained_on()},
        "curve": json.loads(kept.read_text()) if kept.exists() else [],
    }


def _add_further(rows: Sequence[dict[str, Any]], model: str, folder: Path, options: dict[str, Any]) -> None:
    """Add to the results what is measured beside the held-out samples.

    Further test splits of the data set, and for a language model of characters the n-gram model that it has to beat.
    """
    from edgenet.tasks.held_out import HeldOut
    from edgenet.tasks.sequences import SequenceDataSet
    from edgenet.training.data import load_data
    from edgenet.training.networks import find_network

    _, data = load_data(find_network(model), options["data"], None, options["data_options"])
    if not isinstance(data, SequenceDataSet):
        return
    for name, split in data.further.items():
        samples = folder / f"{name}.npz"
        HeldOut.of(replace(data, test=split)).save(samples)
        for row in rows:
            row.setdefault("further", {})[name] = _accuracy(folder / f"{row['scheme']}.onnx", samples)
    if rows[0]["metric"] == CHARACTER_BITS:
        baseline = {"name": f"interpolated {ORDER}-gram", "value": ngram_bits(data)}
        for row in rows:
            row["baseline"] = baseline


def _accuracy(file: Path, samples: Path) -> float:
    """How good the exported file is on the held-out samples, in the unit of their metric."""
    from edgenet.bench.targets import collect
    from edgenet.bench.worker import Worker

    (target,) = collect([file], native=False)
    worker = Worker()
    encoder = None if target.encoder is None else str(target.encoder)
    worker.load(str(file), None, 1, [], {}, str(samples), encoder)
    found = worker.accuracy()
    assert found is not None
    return float(str(found["value"]))


def _trained_on() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def rebuild(results: Path) -> None:
    """Write the table and a plot a network and data set from all results.

    Raises:
        EdgenetError: a result cannot be read.
    """
    from benchmarks.accuracy.plot import plot
    from benchmarks.study import write_plot

    rows = read_results(results)
    if not rows:
        raise EdgenetError(f"{results} holds no results; name a network to train.")
    text = table(rows)
    write_whole(results / "table.md", text)
    for key in dict.fromkeys((row["model"], row["data"]) for row in rows):
        own = [row for row in rows if (row["model"], row["data"]) == key]
        write_plot(results / f"{'-'.join(key)}.png", lambda own=own: plot(own))  # type: ignore[misc]
    click.echo(text)


if __name__ == "__main__":
    main()
