"""What all commands share: one-sentence errors, tables, progress, JSON."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from edgenet.errors import EdgenetError
from edgenet.files import write_whole

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_PLAIN_WIDTH = 100
_PLAIN_SECONDS = 10.0


class Command(click.Command):
    """A command whose failures are one sentence and exit code 1; `--debug` shows the traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        debug = click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.", expose_value=False)
        debug.callback = lambda context, option, value: context.meta.__setitem__("debug", value)
        self.params.append(debug)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            # Who closes the pipe that we print into has seen enough: click ends without a word.
            raise
        except Exception as error:
            if ctx.meta.get("debug"):
                raise
            raise click.ClickException(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, EdgenetError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text} (this was not foreseen; --debug shows where it comes from)"


def note(message: str) -> None:
    """Print a sentence that is no error but must not get lost, on standard error."""
    click.echo(message, err=True)


def need_training() -> None:
    """Refuse what needs torch where it is not installed.

    Raises:
        EdgenetError: it isn't; the message says how to get it.
    """
    from importlib.util import find_spec

    missing = [name for name in ("torch", "lightning", "onnxscript", "safetensors") if find_spec(name) is None]
    if missing:
        raise EdgenetError(
            f"This needs {', '.join(missing)}, not installed here; get it with pip install '.[train]' in a clone of "
            "edgenet."
        )


def need_page() -> None:
    """Refuse to begin what ends in a page where it could not be made.

    Raises:
        EdgenetError: jinja2 is not installed; the message says how to get it.
    """
    from importlib.util import find_spec

    if find_spec("jinja2") is None:
        raise EdgenetError("The page needs jinja2; get it with pip install '.[html]' in a clone of edgenet.")


def see_own_modules() -> None:
    """Let `package.module:factory` name what lies in the working folder, as it does with `python -m`."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def console(to_stderr: bool = False) -> "Console":
    """Return the console to print on; 100 columns wide where it is no terminal."""
    from rich.console import Console

    stream = sys.stderr if to_stderr else sys.stdout
    width = None if stream.isatty() else _PLAIN_WIDTH
    return Console(stderr=to_stderr, width=width, highlight=False)


def show(part: "RenderableType", to_stderr: bool = False) -> None:
    """Print a table or text."""
    console(to_stderr).print(part)


def write_json(value: Mapping[str, Any], destination: str) -> None:
    """Write JSON to a file, or to standard output for `-`."""
    text = json.dumps(value, indent=2) + "\n"
    if destination == "-":
        click.echo(text, nl=False)
    else:
        write_whole(destination, text)


@contextmanager
def progress() -> Iterator[Callable[[float, str], None]]:
    """Show how far long work is, on standard error: a bar on a terminal, now and then a line elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda fraction, text: bar.update(task, completed=fraction, description=text)
        return
    last = -_PLAIN_SECONDS

    def print_line(fraction: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PLAIN_SECONDS and fraction < 1:
            click.echo(f"{100 * fraction:3.0f} % {text}", err=True)
            last = now

    yield print_line
