"""Every exported operator, one a file, gives in Node, in the browser and from C++ what it gives here."""

import json
import platform
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgenet.bench.devices.binaries import find_binaries
from edgenet.bench.devices.runner import LocalCarrier, RunnerProcess, pack, unpack
from edgenet.serve import Offer, find_runtime, make_server
from tests.apps.conftest import CACHE, ROOT, browser, program
from tests.ops.one_operator import FILES, OneOperator, run_in_runner

pytestmark = pytest.mark.devices

Said = dict[str, Any]
"""By name of the file: its outputs as the runner describes them, or what went wrong."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operators")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a page that is empty, with the files, what they are fed, and ONNX Runtime for the browser."""
    (folder / "index.html").write_text("<!doctype html><link rel=icon href=data:,>")
    content, tensors = pack([one.feeds for one in FILES])
    models = {str(one): one.content for one in FILES} | {"feeds": content}
    offered = Offer(dict(zip(map(str, FILES), tensors, strict=True)), models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        runtime = find_runtime()
    with make_server(offered, folder, runtime, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def say(folder: Path, **options: str) -> Said:
    """What operators.mjs printed."""
    with served(folder) as address:
        told = json.dumps({"address": address, **options})
        command = [program("node", "nodejs"), str(ROOT / "tests/apps/operators.mjs"), told]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    said: Said = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def said_in_node(node_app: Path, folder: Path) -> Said:
    return say(folder, node=str(node_app))


@pytest.fixture(scope="module")
def said_in_browser(folder: Path) -> Said:
    return say(folder, **browser())


@pytest.fixture(scope="module")
def runner(folder: Path) -> Iterator[RunnerProcess]:
    """C++ over ONNX Runtime's C API."""
    files = find_binaries(platform.machine())
    command = [str(files.runner), str(files.onnxruntime), str(files.library)]
    with RunnerProcess(command, LocalCarrier(folder)) as process:
        yield process


@pytest.mark.parametrize("one", FILES, ids=str)
@pytest.mark.parametrize("place", ["node", "browser"])
def test_javascript_gives_what_native_kernels_give_here(
    request: pytest.FixtureRequest, place: str, one: OneOperator
) -> None:
    outputs = request.getfixturevalue(f"said_in_{place}")[str(one)]
    assert isinstance(outputs, list), outputs
    one.check([unpack(output) for output in outputs])


@pytest.mark.parametrize("one", FILES, ids=str)
@pytest.mark.parametrize("native", [True, False], ids=["native", "portable"])
def test_cpp_gives_what_native_kernels_give_here(
    runner: RunnerProcess, native: bool, one: OneOperator, tmp_path: Path
) -> None:
    one.check(run_in_runner(runner, native, one, tmp_path))
