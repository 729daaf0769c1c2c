"""`edgenet models` and `devices`: what there is to choose from."""

from collections.abc import Iterable

import click

from edgenet.cli.base import Command


def _print_names(rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, description in rows:
        click.echo(f"{name:{width}}  {description}")


@click.command(cls=Command, short_help="Networks known by name.")
def models() -> None:
    """List the networks that binarize knows by name."""
    from edgenet.models.catalog import list_models

    _print_names((entry.name, entry.description) for entry in list_models())
    click.echo("\nYour own: package.module:factory, a function that returns a torch module.")


@click.command(cls=Command, short_help="Where bench can measure.")
def devices() -> None:
    """List the devices that bench can measure on."""
    from edgenet.bench import list_kinds

    _print_names((kind.pattern, kind.description) for kind in list_kinds())
