"""Every exported operator, one a file, and what such a file must give wherever it runs."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edgenet.bench.devices.runner import RunnerProcess
from edgenet.exporter.functions import FUNCTIONS, attach_functions
from edgenet.runtime import InferenceSession
from tests import reference
from tests.exporter.test_function_triples import BODIES as TRIPLES
from tests.exporter.test_function_triples import bits
from tests.ops.models import Call
from tests.ops.test_operators import Values, assert_within_tolerance, example_calls, step_magnitude


@dataclass(frozen=True)
class OneOperator:
    """A file of one operator with its function body, and inputs for it."""

    operator: str
    times: int
    """So many times as many channels."""
    in_triples: bool = False
    """With the body that only a layer of a million weights would get."""

    def __str__(self) -> str:
        return f"{self.operator}-{self.times}{'-triples' if self.in_triples else ''}"

    @property
    def exact(self) -> bool:
        return not self.operator.startswith("Bwn") or self.operator.endswith("Int8")

    @cached_property
    def call(self) -> Call:
        # Infinities, NaN and zeros of both signs go to what sees signs alone.
        call = example_calls(Values(5, awkward=self.operator.startswith("Xnor")), self.times)[self.operator]
        if not self.exact and "u" in call.inputs:
            # What is promised is promised of a step from equal states.
            return call.but(u=call.inputs["u"][:1])
        return call

    @cached_property
    def content(self) -> bytes:
        model = self.call.model()
        attach_functions(model)
        if self.in_triples:
            model.functions[0].CopyFrom(TRIPLES[self.operator](in_triples=True))
        return model.SerializeToString()

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        return {value.name: self.call.inputs[value.name] for value in self.call.model().graph.input}

    def check(self, outputs: list[np.ndarray]) -> None:
        """Hold outputs to those of this machine's native kernels: to the bit, or within what is promised."""
        expected = InferenceSession(self.content, native=True).run(self.feeds)
        for found, wanted in zip(outputs, expected, strict=True):
            if not self.exact:
                assert_within_tolerance(found, wanted, np.broadcast_to(magnitude(self.call), found.shape))
                continue
            np.testing.assert_array_equal(found, wanted, strict=True)
            if found.dtype == np.float32:
                np.testing.assert_array_equal(bits(found), bits(wanted))


FILES = [OneOperator(operator, times) for times in (1, 24) for operator in FUNCTIONS]
FILES += [OneOperator(operator, 24, in_triples=True) for operator in TRIPLES]


def magnitude(call: Call) -> np.ndarray:
    """|scale| * sum |w x| of a call of binary weights and float activations."""
    inputs, attributes = call.inputs, dict(call.attributes)
    if "u" in inputs:
        return step_magnitude(call.operator.removeprefix("Bwn"), inputs)
    x, weight, scale = np.abs(inputs["x"]), np.ones(attributes.pop("weight_shape")), np.abs(inputs["scale"])
    plain = reference.bwn_linear if call.operator == "BwnLinear" else reference.bwn_conv2d
    return plain(x, weight, scale, 0 * scale, **attributes)


def run_in_runner(process: RunnerProcess, native: bool, one: OneOperator, folder: Path) -> list[np.ndarray]:
    """What a runner makes of a file: natively, or by the file alone."""
    file, inputs = folder / "one.onnx", folder / "inputs.npz"
    file.write_bytes(one.content)
    np.savez(inputs, **one.feeds)
    how = {"native": native, "threads": 1, "cores": [], "shapes": {}, "samples": None}
    process.call("load", file=str(file), inputs=str(inputs), **how)
    return process.outputs()
