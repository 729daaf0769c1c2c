"""`edgenet binarize`: train, export, verify, measure, report."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from edgenet.cli.base import Command, need_training, note, progress, see_own_modules, show
from edgenet.cli.data import columns_option, data_dir_option, languages_option, pattern_option, sequence_options
from edgenet.errors import EdgenetError
from edgenet.files import write_whole

SCHEMES = ("full", "bwn", "xnor")
PLOT = "accuracy-operations.png"
_DATA_FILES = ("samples.npz", "split.json", "source-vocabulary.json", "target-vocabulary.json")
_ENDINGS = (".safetensors", ".json", ".onnx", "-encoder.onnx", "-decoder.onnx")
_MIN_RUNS, _MIN_SECONDS = 30, 1.0


class _Schemes(click.ParamType):
    """A comma-separated choice of schemes, returned in the order full, bwn, xnor."""

    name = "schemes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = {name.strip() for name in str(value).split(",")}
        if unknown := names - set(SCHEMES):
            self.fail(f"{', '.join(sorted(unknown))!r} is not among {', '.join(SCHEMES)}.", param, ctx)
        return tuple(scheme for scheme in SCHEMES if scheme in names)


@click.command(cls=Command, short_help="Train, export, verify, measure, report.")
@click.argument("model")
@click.option("--data", help="A name of edgenet data, or your own files (see edgenet data); default by network.")
@data_dir_option
@languages_option
@columns_option
@pattern_option
@click.option(
    "--schemes", default=",".join(SCHEMES), show_default=True, type=_Schemes(), metavar="LIST", help="What to make."
)
@click.option(
    "--ends", type=click.Choice(["fp32", "int8", "binary"]),
    help="Precision of the first and the last layer and of 1x1 shortcut projections; default by recipe: int8, with "
    "xnor-net fp32.",
)  # fmt: skip
@click.option(
    "--activations", default="fp32", show_default=True, type=click.Choice(["fp32", "int8"]),
    help="What convolutions with 1-bit weights (bwn) see; int8 is faster.",
)  # fmt: skip
@click.option("--epochs", type=click.IntRange(0), help="Instead of the recipe's; 0 calibrates only.")
@click.option("--weights", type=click.Path(path_type=Path), help="Pretrained weights, .safetensors or .pth.")
@click.option(
    "--recipe", default="default", show_default=True,
    help="How to train: default, thorough (four times the epochs) or xnor-net (the plain method of that paper: no "
    "teacher, no thresholds, scales K of the activations).",
)  # fmt: skip
@click.option(
    "--option", "pairs", multiple=True, metavar="NAME=VALUE",
    help="Of the network's factory, as depth=20; repeatable. A wrong name lists the right ones.",
)  # fmt: skip
@click.option("--balanced", is_flag=True, help="Weigh classes in the loss by how rare they are.")
@click.option(
    "--flip/--no-flip", default=None,
    help="Mirror images at random in training; by default cifar10 and fashion-mnist, whose classes allow it.",
)  # fmt: skip
@click.option("--no-distillation", is_flag=True, help="Let bwn and xnor learn without the full network's answers.")
@click.option("--devices", default=1, show_default=True, type=click.IntRange(1), help="Train on so many a machine.")
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(1), help="Train on so many machines.")
@click.option(
    "--strategy", default="auto", show_default=True,
    help="Lightning's, of several devices: auto, ddp or ddp_find_unused_parameters_true.",
)  # fmt: skip
@click.option(
    "--precision", default="32", show_default=True, type=click.Choice(["32", "bf16-mixed", "16-mixed"]),
    help="Of the multiplications in training; what is measured and exported is float32.",
)  # fmt: skip
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Of weights, order and augmentation of the data.",
)
@click.option("--embed-preprocessing", is_flag=True, help="Let the files take pictures (uint8) as they are.")
@click.option("--out", type=click.Path(path_type=Path), help="The run folder; default runs/MODEL.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("--force", is_flag=True, help="Replace the run that is there.")
def binarize(
    model: str,
    data: str | None,
    data_dir: Path | None,
    languages: str | tuple[str, ...] | None,
    columns: tuple[str | int, ...] | None,
    pattern: str | None,
    schemes: tuple[str, ...],
    ends: str | None,
    activations: str,
    epochs: int | None,
    weights: Path | None,
    recipe: str,
    pairs: tuple[str, ...],
    balanced: bool,
    flip: bool | None,
    no_distillation: bool,
    devices: int,
    nodes: int,
    strategy: str,
    precision: str,
    seed: int,
    embed_preprocessing: bool,
    out: Path | None,
    resume: bool,
    force: bool,
) -> None:
    """Train MODEL at full precision, with 1-bit weights (bwn) and with 1-bit weights and activations (xnor).

    MODEL is a name of edgenet models, or package.module:factory for your own torch network. Each scheme is exported
    to ONNX, verified against torch, measured, and the run folder gets report.json, report.md, report.html and
    a plot.
    """
    need_training()
    # Threads of torch's OpenMP that spin only briefly before they sleep: no slower alone, and nearly twice as fast
    # where other work shares the cores.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    see_own_modules()
    if resume and force:
        raise click.UsageError("--resume goes on with a run, --force replaces it: give one of them.")
    from edgenet.training.networks import find_network
    from edgenet.training.options import parse_options
    from edgenet.training.processes import Processes

    own = find_network(model)
    network_options = parse_options(own.name, pairs, own.factory)
    first = Processes(devices, nodes, strategy).first
    folder = out or Path("runs") / model.replace(":", ".")
    of_data = {"data": data, "data_dir": data_dir, "data_options": sequence_options(languages, columns, pattern)}
    if force and first:
        # Nothing that is there is removed for a run that cannot begin.
        _check(model, network_options, of_data, weights, recipe, flip)
    if embed_preprocessing and first:
        _check_embedding(model, network_options, of_data)
    if first:
        _make_room(folder, resume, force)
    options: dict[str, Any] = {
        **of_data, "ends": ends, "activations": activations, "epochs": epochs,
        "weights": weights, "recipe": recipe, "seed": seed, "distill": not no_distillation,
        "options": network_options, "balanced": balanced, "flip": flip,
        "devices": devices, "nodes": nodes, "strategy": strategy, "precision": precision,
    }  # fmt: skip
    if not first:
        _follow(model, schemes, folder, options, resume)
        return
    verified: dict[str, Any] = {}
    try:
        for number, scheme in enumerate(schemes):
            verified[scheme] = _train_and_export(
                model, scheme, folder, options, resume or number > 0, embed_preprocessing
            )
        _report(folder, schemes, verified, seed)
    except KeyboardInterrupt:
        again = shlex.join(
            ["edgenet", *(word for word in sys.argv[1:] if word not in ("--force", "--resume")), "--resume"]
        )
        done = ", ".join(verified) or "no scheme yet"
        raise EdgenetError(f"Interrupted; {folder} keeps what is done ({done}). Go on with: {again}") from None


def _follow(model: str, schemes: tuple[str, ...], folder: Path, options: dict[str, Any], resume: bool) -> None:
    """What a process does that trains along with the first one, which writes and tells, also of what fails."""
    from edgenet.training import train

    try:
        for number, scheme in enumerate(schemes):
            train(model, [scheme], out=folder, resume=resume or number > 0, **options)
    except (EdgenetError, KeyboardInterrupt):
        sys.exit(1)


def _check(
    model: str, options: dict[str, Any], of_data: dict[str, Any], weights: Path | None, recipe: str, flip: bool | None
) -> None:
    """Refuse what training would refuse once it has begun.

    Raises:
        EdgenetError: network, data, weights, recipe or --flip do not serve.
    """
    from edgenet.models.weights import read_state_dict
    from edgenet.training import get_recipe
    from edgenet.training.data import check_mirrors, load_data
    from edgenet.training.networks import find_network

    network = find_network(model, options)
    get_recipe(recipe, network.name, "full")
    if weights is not None:
        read_state_dict(weights)
    _, dataset = load_data(network, of_data["data"], of_data["data_dir"], of_data["data_options"])
    if flip:
        check_mirrors(dataset)


def _check_embedding(model: str, options: dict[str, Any], of_data: dict[str, Any]) -> None:
    """Refuse to embed the preprocessing of what is no picture of one size, before anything is trained.

    Raises:
        EdgenetError: it is another; the message says how a file of recordings embeds its own.
    """
    from edgenet.tasks import DataSet
    from edgenet.tasks.pictures import PicturePreprocessing
    from edgenet.training.data import load_data
    from edgenet.training.networks import find_network

    network = find_network(model, options)
    _, dataset = load_data(network, of_data["data"], of_data["data_dir"], of_data["data_options"])
    if not isinstance(dataset, DataSet) or PicturePreprocessing.of(dataset.preprocessing) is None:
        raise EdgenetError(
            f"{model} on {dataset.name} takes no pictures of one size, whose preprocessing alone travels in all files "
            "of a run; leave --embed-preprocessing out (for recordings: edgenet export --embed-preprocessing)."
        )


def _make_room(folder: Path, resume: bool, force: bool) -> None:
    """Refuse to overwrite a run; with --force remove what a run consists of, and nothing else."""
    if folder.exists() and not folder.is_dir():
        raise EdgenetError(f"{folder} is a file; name another run folder with --out.")
    # An attempt that failed before training leaves no more than its samples.
    if resume or not folder.exists() or {path.name for path in folder.iterdir()} <= set(_DATA_FILES):
        return
    if not force:
        raise EdgenetError(f"{folder} holds a run; --resume goes on with it, --force replaces it, --out names another.")
    shutil.rmtree(folder / "training-state", ignore_errors=True)
    files = [f"{scheme}{ending}" for scheme in SCHEMES for ending in _ENDINGS]
    for name in (*files, *_DATA_FILES, "report.json", "report.md", "report.html", PLOT):
        (folder / name).unlink(missing_ok=True)


def _train_and_export(model: str, scheme: str, folder: Path, options: dict[str, Any], resume: bool, embed: bool) -> Any:
    """Train one scheme, with what it needs before it, and export it, so that an interruption later leaves it usable."""
    from edgenet.cli.export import export_network
    from edgenet.training import Event, train

    def tell(event: Event) -> None:
        # The teacher of a binary network was reported when it was trained.
        if event.scheme == scheme or event.kind != "note":
            note(str(event))

    (network,) = train(model, [scheme], out=folder, resume=resume, on_event=tell, **options)
    path, samples = folder / f"{scheme}.onnx", folder / "samples.npz"
    result = export_network(network.model, network.metadata, path, samples, embed=embed)
    shares = ", ".join(f"{path} {share:.1%}" for path, share in result.agreement.items())
    note(f"{scheme}: exported, {result.file_bytes / 1e6:.2f} MB; same class as torch: {shares} of {result.samples}")
    return result


def _report(folder: Path, schemes: tuple[str, ...], verified: dict[str, Any], seed: int) -> None:
    from edgenet import bench
    from edgenet.report import markdown, plot, table, write_html

    with progress() as report:
        result = bench.run(
            [verified[scheme].path for scheme in schemes],
            min_runs=_MIN_RUNS,
            min_seconds=_MIN_SECONDS,
            command=["edgenet", *sys.argv[1:]],
            seed=seed,
            progress=report,
        )
    for row in result["rows"]:
        exported, path = verified[row["scheme"]], row["path"]
        row["verified"] = {
            "agreement": exported.agreement[path],
            "max_abs_error": exported.max_abs_error[path],
            "samples": exported.samples,
        }
    bench.write_json(result, folder / "report.json")
    written, picture = ["report.json", "report.md"], None
    try:
        plot(result, folder / PLOT)
        written, picture = [*written, PLOT], PLOT
    except EdgenetError as error:
        note(str(error))
    write_whole(folder / "report.md", f"# {folder.name}\n\n{markdown(result, picture)}")
    try:
        write_html(result, folder / "report.html")
        written.append("report.html")
    except EdgenetError as error:
        note(str(error))
    show(table(result))
    files = sorted({path.name for scheme in schemes for path in folder.glob(f"{scheme}*.onnx")}, key=_by_scheme)
    click.echo(f"Wrote {', '.join(files)}, {', '.join(written)} in {folder}.")


def _by_scheme(name: str) -> int:
    return next(number for number, scheme in enumerate(SCHEMES) if name.startswith(scheme))
