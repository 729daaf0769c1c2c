"""The command line: parse, call, print. Everything heavy is imported inside the commands."""

from edgenet.cli.main import main

__all__ = ["main"]
