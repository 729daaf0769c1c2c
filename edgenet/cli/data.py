"""`edgenet data`: what data sets there are, and what one, or a file of one's own, holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgenet.cli.base import Command
from edgenet.tasks.catalog import IMAGES, SEQUENCES, TASKS

if TYPE_CHECKING:
    from edgenet.tasks import DataSet, SequenceDataSet, SequenceSplit, Split


def parse_columns(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str | int, ...] | None:
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")]
    if len(names) != 2 or not all(names):
        raise click.BadParameter("name two columns, as in label,text or 1,0.")
    return tuple(int(name) if name.isdecimal() else name for name in names)


def parse_languages(context: click.Context, option: click.Parameter, value: str | None) -> str | tuple[str, ...] | None:
    languages = (value or "").split("-")
    if len(languages) > 2 or (value is not None and not all(languages)):
        raise click.BadParameter("name one language, as in en, or two, as in en-de.")
    return tuple(languages) if len(languages) == 2 else value


data_dir_option = click.option(
    "--data-dir",
    envvar="EDGENET_DATA",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="Where downloads of data sets lie, or are put; default edgenet's cache.",
)
languages_option = click.option(
    "--languages", callback=parse_languages, help="Of text files: en-de to translate, en for a language model."
)
columns_option = click.option(
    "--columns", callback=parse_columns, help="Label and text of a table, as in label,text or 1,0."
)
pattern_option = click.option("--pattern", help="Names of recordings, such as {label}_{speaker}_{index}.")


@click.command(cls=Command, short_help="Data sets, and your own.")
@click.argument("name", required=False)
@click.option("--task", type=click.Choice(TASKS), help="What for; default by what the data look like.")
@data_dir_option
@languages_option
@columns_option
@pattern_option
def data(
    name: str | None, task: str | None, data_dir: Path | None, languages: str | tuple[str, ...] | None,
    columns: tuple[str | int, ...] | None, pattern: str | None,
) -> None:  # fmt: skip
    """List the built-in data sets, and how files of your own are laid out.

    With NAME, a built-in set or your own file or folder: load it and say what it holds.
    """
    if name is None:
        _list()
        return
    from edgenet.tasks import load, load_sequences
    from edgenet.tasks.loading import guess_task

    chosen = task or guess_task(name)
    if chosen == IMAGES or (chosen == SEQUENCES and name in ("digits", "mnist", "fashion-mnist")):
        _describe(load(name, task=chosen, data_dir=data_dir))
        return
    _describe(load_sequences(name, chosen, **sequence_options(languages, columns, pattern)))


def sequence_options(
    languages: str | tuple[str, ...] | None, columns: tuple[str | int, ...] | None, pattern: str | None
) -> dict[str, Any]:
    """Options of `load_sequences`, those that are given."""
    options: dict[str, Any] = {"columns": columns, "pattern": pattern}
    options["language" if isinstance(languages, str) else "languages"] = languages
    return {key: value for key, value in options.items() if value is not None}


def _list() -> None:
    from edgenet.tasks.catalog import list_data, list_own_data

    for entry in list_data():
        click.echo(f"{entry.name:16}{entry.description}")
        click.echo(f"{'':16}{entry.size}; needs {entry.needs}; for {', '.join(entry.tasks)}")
        click.echo(f"{'':16}source: {entry.source}; licence: {entry.licence}\n")
    click.echo("Your own, by task:")
    for own in list_own_data():
        click.echo(f"{own.layout:16}{own.description}")
        click.echo(f"{'':16}for {', '.join(own.tasks)}")


def _describe(loaded: "DataSet | SequenceDataSet") -> None:
    from edgenet.tasks import DataSet

    click.echo(f"{loaded.name}, for {loaded.task}")
    splits: dict[str, Any] = {"train": loaded.train, "test": loaded.test}
    if not isinstance(loaded, DataSet):
        splits |= {"validation": loaded.validation} if loaded.validation is not None else {}
        splits |= loaded.further
    for name, split in splits.items():
        click.echo(f"{name:20}{len(split):,} samples, {_shape(split)}")
    if loaded.classes:
        click.echo(f"{'classes':20}{len(loaded.classes)}: {_shorten(loaded.classes)}")
    if isinstance(loaded, DataSet):
        return
    for side, vocabulary in (("source", loaded.source_vocabulary), ("target", loaded.target_vocabulary)):
        if vocabulary is not None:
            click.echo(
                f"{side + ' vocabulary':20}{len(vocabulary):,} {vocabulary.unit}s: {_shorten(vocabulary.tokens)}"
            )


def _shape(split: "Split | SequenceSplit") -> str:
    """Shape of a sample; of unequal lengths the shortest and the longest."""
    from edgenet.tasks import Ragged

    if not isinstance(split.raw, Ragged):
        return "x".join(map(str, split.raw.shape[1:]))
    lengths = split.raw.lengths
    inner = "".join(f" x {size}" for size in split.raw.values.shape[1:])
    return f"{lengths.min()} to {lengths.max()} steps{inner}"


def _shorten(names: "list[str] | tuple[str, ...]", most: int = 12) -> str:
    return ", ".join(map(repr, names[:most])) + (", ..." if len(names) > most else "")
