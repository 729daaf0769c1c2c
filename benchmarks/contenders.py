"""Who is timed: our operators and those of others, each as a call without arguments."""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.interleaved import Call
from benchmarks.layers import CHAIN, XNOR, Convolution, Layer, Scheme
from edgenet.runtime import InferenceSession, one_core_each

ISA_VARIABLE = "EDGENET_ISA"


@dataclass(frozen=True)
class Contender:
    """One implementation of what is measured, ready to run."""

    implementation: str
    scheme: str
    call: Call
    peer: str | None = None
    """Its name among the ratios of ours, such as `ort-fp32`; None for ours."""
    isa: str | None = None
    activations: str | None = None
    ends: str | None = None
    """Of a binary network: the precision of its first and last layer."""
    source: str = "float"
    target: str = "float"
    layers: int = 1
    """How many layers one call runs in a row; times are those of one."""


@contextmanager
def instruction_set(name: str | None) -> Iterator[None]:
    """Give the sessions that are made meanwhile kernels of an instruction set, of the widest for None."""
    before = os.environ.pop(ISA_VARIABLE, None)
    if name:
        os.environ[ISA_VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(ISA_VARIABLE, None)
        if before is not None:
            os.environ[ISA_VARIABLE] = before


def runner(session: InferenceSession | onnxruntime.InferenceSession, feeds: Mapping[str, np.ndarray]) -> Call:
    """Return a call of a session of ours or of ONNX Runtime, without our layer around it.

    Inputs and outputs are bound to memory once, as other runtimes' are: a call neither makes nor copies arrays.
    """
    ort = session.ort if isinstance(session, InferenceSession) else session
    binding = ort.io_binding()
    for name, value in feeds.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
    for output, value in zip(ort.get_outputs(), ort.run(None, dict(feeds)), strict=True):
        binding.bind_ortvalue_output(output.name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
    return functools.partial(ort.run_with_iobinding, binding)


def open_session(model: bytes | Path, native: bool | None, cores: Sequence[int] = ()) -> InferenceSession:
    """Return a session with a thread on each of `cores`, with one where none is named."""
    return InferenceSession(model, native=native, threads=max(1, len(cores)), options=one_core_each(cores))


def own(layer: Layer, scheme: Scheme, isa: str, cores: Sequence[int] = ()) -> Contender:
    """Return our kernels of an instruction set, with a thread on each of `cores`, with one where none is named.

    Raises:
        EdgenetError: the operator library has no such operator.
    """
    with instruction_set(isa):
        session = open_session(layer.binary(scheme), True, cores)
    call = runner(session, layer.feeds())
    return Contender("edgenet", scheme.name, call, isa=isa, activations=scheme.activations)


def portable(layer: Layer, scheme: Scheme) -> Contender:
    """Return the bodies that a file carries, as a runtime without our library runs them."""
    session = InferenceSession(layer.binary(scheme, functions=True), native=False)
    call = runner(session, layer.feeds())
    return Contender("edgenet-portable", scheme.name, call, activations=scheme.activations)


def own_chain(layer: Convolution, isa: str) -> Contender:
    """Return XNOR convolutions in a row that hand on packed signs."""
    with instruction_set(isa):
        session = InferenceSession(layer.sign_chain(), native=True)
    call = runner(session, layer.sign_feeds())
    return Contender("edgenet", XNOR.name, call, isa=isa, source="bits", target="bits", layers=CHAIN)


def ort_fp32(layer: Layer, cores: Sequence[int] = ()) -> Contender:
    """Return ONNX Runtime's own kernels in full precision, all optimisations on; `cores` as for `own`."""
    call = runner(open_session(layer.full(), None, cores), layer.feeds())
    return Contender("ort", "full", call, peer="ort-fp32")


def ort_fp32_chain(layer: Convolution) -> Contender:
    """Return full-precision convolutions in a row, whose tensors stay in the layout that ONNX Runtime likes best."""
    call = runner(InferenceSession(layer.full_chain()), layer.feeds())
    return Contender("ort", "full", call, peer="ort-fp32", layers=CHAIN)
