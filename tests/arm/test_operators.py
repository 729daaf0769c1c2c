"""Every exported operator, one a file, gives on emulated Arm what it gives here: natively and by the file alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgenet.bench.devices.binaries import AARCH64, ENVIRONMENT_VARIABLE, find_binaries
from edgenet.bench.devices.emulator import find_emulator
from edgenet.bench.devices.runner import LocalCarrier, RunnerProcess
from edgenet.exporter.functions import attach_functions
from edgenet.runtime import InferenceSession
from tests import reference
from tests.ops.models import Call
from tests.ops.test_operators import Values, assert_within_tolerance, example_calls, step_magnitude

pytestmark = pytest.mark.devices

OPERATORS = example_calls(Values(5)).keys()
# The kernels of the first have no dot products, those of the second have.
PLACES = [("cortex-a72", True), ("neoverse-n1", True), ("cortex-a72", False)]


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: f"{place[0]}-{'native' if place[1] else 'portable'}")
def arm(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Arm"]:
    core, native = request.param
    folder = tmp_path_factory.mktemp("arm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT_VARIABLE, str(built))
        files = find_binaries(AARCH64)
    command = find_emulator().command(core, files.runner, files.onnxruntime, files.library)
    with RunnerProcess(command, LocalCarrier(folder)) as process:
        yield Arm(process, native)


class Arm:
    """A runner on an emulated core, and the path by which it runs files."""

    def __init__(self, process: RunnerProcess, native: bool) -> None:
        self.process, self.native = process, native

    def run(self, file: Path, inputs: Path) -> list[np.ndarray]:
        how = {"native": self.native, "threads": 1, "cores": [], "shapes": {}, "samples": None}
        self.process.call("load", file=str(file), inputs=str(inputs), **how)
        return self.process.outputs()


@pytest.mark.parametrize("times", [1, 24])
@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_gives_what_it_gives_here(arm: Arm, operator: str, times: int, tmp_path: Path) -> None:
    exact = not operator.startswith("Bwn") or operator.endswith("Int8")
    # Infinities, NaN and zeros of both signs go to what sees signs alone.
    call = example_calls(Values(5, awkward=operator.startswith("Xnor")), times)[operator]
    if not exact and "u" in call.inputs:
        # What is promised is promised of a step from equal states.
        call = call.but(u=call.inputs["u"][:1])
    model, file = call.model(), tmp_path / "one.onnx"
    attach_functions(model)
    onnx.save(model, file)
    feeds = {value.name: call.inputs[value.name] for value in model.graph.input}
    np.savez(tmp_path / "inputs.npz", **feeds)
    there, here = arm.run(file, tmp_path / "inputs.npz"), InferenceSession(file, native=True).run(feeds)
    for found, expected in zip(there, here, strict=True):
        if exact:
            np.testing.assert_array_equal(found, expected, strict=True)
        else:
            assert_within_tolerance(found, expected, np.broadcast_to(magnitude(call), found.shape))


def magnitude(call: Call) -> np.ndarray:
    """|scale| * sum |w x| of a call of binary weights and float activations."""
    inputs, attributes = call.inputs, dict(call.attributes)
    if "u" in inputs:
        return step_magnitude(call.operator.removeprefix("Bwn"), inputs)
    x, weight, scale = np.abs(inputs["x"]), np.ones(attributes.pop("weight_shape")), np.abs(inputs["scale"])
    plain = reference.bwn_linear if call.operator == "BwnLinear" else reference.bwn_conv2d
    return plain(x, weight, scale, 0 * scale, **attributes)
