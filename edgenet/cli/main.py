"""The group of all commands."""

import sys
from io import TextIOWrapper

import click

from edgenet import __version__
from edgenet.cli.bench import bench
from edgenet.cli.binarize import binarize
from edgenet.cli.compare import compare
from edgenet.cli.data import data
from edgenet.cli.doctor import doctor
from edgenet.cli.explain import explain
from edgenet.cli.export import export
from edgenet.cli.inspect import inspect
from edgenet.cli.listings import devices, models
from edgenet.cli.serve import serve


class _InOrder(click.Group):
    """Lists its commands in the order they were added: the order in which one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Binary neural networks for the edge: train, export to ONNX, measure.

    Exit codes: 0 done, 1 the work failed, 2 wrong usage.
    """
    # A terminal without µ or – gets a question mark, not an error after minutes of work.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


for _command in (binarize, bench, export, inspect, explain, compare, serve, models, data, devices, doctor):
    main.add_command(_command)
