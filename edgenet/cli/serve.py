"""`edgenet serve`: a run folder's networks side by side in the browser."""

from pathlib import Path

import click

from edgenet.cli.base import Command, note


@click.command(cls=Command, short_help="Show a run folder's networks in the browser.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other devices in.")
@click.option(
    "--runtime", type=click.Path(path_type=Path),
    help="A folder with onnxruntime-web; by default npm downloads it once (33 MB).",
)  # fmt: skip
def serve(folder: Path, port: int, host: str, runtime: Path | None) -> None:
    """Serve a page on which the networks of a run folder run side by side, with bytes and milliseconds.

    Networks over pictures take held-out samples, what one draws, drops or films; those over recordings take a WAV file
    or the microphone. The browser runs the files' own functions (the portable path), and beside them what
    edgenet export --format wasm has written of networks over pictures.
    """
    from edgenet.serve import find_runtime, make_server, offer, page_folder

    offered = offer(folder)
    for sentence in offered.left_out:
        note(sentence)
    server = make_server(offered, page_folder(), find_runtime(runtime), host, port)
    labels = ", ".join(network["label"] for network in offered.description["networks"])
    click.echo(f"Serving {folder} ({labels}) at http://{host}:{server.server_port}/ - Ctrl-C ends it.")
    if host not in ("127.0.0.1", "localhost", "::1"):
        note("Browsers give camera, microphone and threads only to localhost or https; other devices go without.")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("Stopped.")
    finally:
        server.server_close()
