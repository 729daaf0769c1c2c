"""Every exported operator, one a file, gives on emulated Arm what it gives here: natively and by the file alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgenet.bench.devices.binaries import AARCH64, ENVIRONMENT_VARIABLE, find_binaries
from edgenet.bench.devices.emulator import find_emulator
from edgenet.bench.devices.runner import LocalCarrier, RunnerProcess
from tests.ops.one_operator import FILES, OneOperator, run_in_runner

pytestmark = pytest.mark.devices

# The kernels of the first have no dot products, those of the second have.
PLACES = [("cortex-a72", True), ("neoverse-n1", True), ("cortex-a72", False)]


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: f"{place[0]}-{'native' if place[1] else 'portable'}")
def arm(
    request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunnerProcess, bool]]:
    """A runner on an emulated core, and whether it runs files natively."""
    core, native = request.param
    folder = tmp_path_factory.mktemp("arm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT_VARIABLE, str(built))
        files = find_binaries(AARCH64)
    command = find_emulator().command(core, files.runner, files.onnxruntime, files.library)
    with RunnerProcess(command, LocalCarrier(folder)) as process:
        yield process, native


@pytest.mark.parametrize("one", FILES, ids=str)
def test_an_operator_gives_what_it_gives_here(
    arm: tuple[RunnerProcess, bool], one: OneOperator, tmp_path: Path
) -> None:
    one.check(run_in_runner(*arm, one, tmp_path))
