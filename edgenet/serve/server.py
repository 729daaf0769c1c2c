"""The server: the page, ONNX Runtime for the browser, and the networks. From the standard library alone."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgenet.errors import EdgenetError
from edgenet.serve.networks import Offer
from edgenet.serve.web_runtime import FILES

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
_HEADERS = {
    # A page that is isolated from others gets shared memory, and so threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def make_server(offered: Offer, page: Path, runtime: Path, host: str, port: int) -> ThreadingHTTPServer:
    """A server that listens already; `serve_forever` lets it answer.

    Args:
        page, runtime: the folders of `page_folder` and `find_runtime`.
        host, port: where to listen; port 0 takes a free one.

    Raises:
        EdgenetError: it cannot listen there.
    """
    # Nothing is served but what is listed here.
    files: dict[str, Path | bytes] = {
        f"/{path.name}": path for path in page.iterdir() if path.suffix in _TYPES and path.is_file()
    }
    files["/"] = page / "index.html"
    files |= {f"/runtime/{name}": runtime / name for name in FILES}
    files |= {f"/models/{name}": content for name, content in offered.models.items()}
    files["/run.json"] = json.dumps(offered.description).encode()
    if offered.pictures is not None:
        files["/samples.bin"] = offered.pictures.tobytes()

    class Handler(BaseHTTPRequestHandler):
        server_version, protocol_version = "edgenet", "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            found = files.get(path)
            if found is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            content = found if isinstance(found, bytes) else found.read_bytes()
            self.send_response(HTTPStatus.OK)
            name = found.name if isinstance(found, Path) else path
            self.send_header("Content-Type", _TYPES.get(Path(name).suffix, "application/octet-stream"))
            self.send_header("Content-Length", str(len(content)))
            for header, value in _HEADERS.items():
                self.send_header(header, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EdgenetError(
            f"cannot listen on {host}:{port} ({reason}); choose another with --port (0: any that is free) or --host."
        ) from error
