"""Runs torch's ONNX exporter with open batch and time axes, and says in one sentence where it cannot."""

import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import onnx_ir as ir
import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.exporter.functions import OPSET


@dataclass(frozen=True)
class Signature:
    """How a model is called: its example arguments and the ONNX names and open axes that go with them."""

    arguments: tuple[Tensor, ...]
    input_names: list[str]
    output_names: list[str]
    open_axes: list[dict[int, str]]
    recurrent: bool

    @property
    def sample_shape(self) -> list[int]:
        """Shape of one sample of the first input, its length in time as in the example."""
        return list(self.arguments[0].shape[1:])


def signature(model: nn.Module, example: Tensor | tuple[Tensor, ...]) -> Signature:
    """Work out how to export a model in eval mode. Recurrent is one whose `forward(x, state)` returns a pair.

    Raises:
        EdgenetError: the example is no float tensor with a batch, or the model does not run on it.
    """
    given = example if isinstance(example, tuple) else (example,)
    if not given or not all(isinstance(t, Tensor) and t.dim() > 0 and t.numel() for t in given):
        raise EdgenetError("export needs an example input: a tensor [batch, ...], or a tuple of the model's tensors")
    arguments = tuple(t.detach().cpu().float() if t.is_floating_point() else t.detach().cpu() for t in given)
    parameters = list(inspect.signature(model.forward).parameters)
    has_state = parameters[1:2] == ["state"] and len(arguments) <= 2
    arguments = tuple(_two(t, 1 if has_state and index else 0) for index, t in enumerate(arguments))
    outputs = _run(model, arguments)
    if has_state and isinstance(outputs, tuple) and len(outputs) == 2:
        x = arguments[0]
        if x.dim() != 3:
            raise EdgenetError(f"a recurrent model's example is [batch, time, features], got {list(x.shape)}")
        x = torch.cat([x, x], 1) if x.shape[1] == 1 else x
        axes = [{0: "batch", 1: "time"}, {1: "batch"}]
        state = arguments[1] if len(arguments) == 2 else torch.zeros_like(outputs[1])
        return Signature((x, state), ["input", "state"], ["logits", "final_state"], axes, recurrent=True)
    count = len(outputs) if isinstance(outputs, tuple | list) else 1
    return Signature(
        arguments,
        ["input", *(f"input_{index}" for index in range(1, len(arguments)))],
        ["logits", *(f"output_{index}" for index in range(1, count))],
        [{0: "batch"} for _ in arguments],
        recurrent=False,
    )


def _two(tensor: Tensor, axis: int) -> Tensor:
    """Two along the batch axis: torch takes a size of one for fixed, and more only takes time."""
    return torch.cat([tensor, tensor], axis).narrow(axis, 0, 2)


def _run(model: nn.Module, arguments: tuple[Tensor, ...]) -> object:
    try:
        with torch.no_grad():
            return model(*arguments)
    except Exception as error:
        shapes = [list(t.shape) for t in arguments]
        raise EdgenetError(f"the model does not run on the example {shapes}: {_first_line(error)}") from error


def translate(model: nn.Module, call: Signature) -> ir.Model:
    """The model's graph as torch writes it, at the opset of the function bodies.

    Raises:
        EdgenetError: torch cannot export the model, or not with open axes.
    """
    dimensions = {name: torch.export.Dim(name) for axes in call.open_axes for name in axes.values()}
    dynamic = tuple({axis: dimensions[name] for axis, name in axes.items()} for axes in call.open_axes)
    if any(kind == inspect.Parameter.VAR_POSITIONAL for kind in _kinds(model)):
        dynamic = (dynamic,)  # type: ignore[assignment]
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                call.arguments,
                dynamo=True,
                opset_version=OPSET,
                input_names=call.input_names,
                output_names=call.output_names,
                dynamic_shapes=dynamic,
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        cause = error.__cause__ or error
        raise EdgenetError(
            f"torch cannot export {type(model).__name__} to ONNX with open {' and '.join(dimensions)}: "
            f"{type(cause).__name__}: {_first_line(cause)}"
        ) from error
    assert program is not None
    found = program.model.opset_imports.get("")
    if found != OPSET:
        raise EdgenetError(f"torch wrote ONNX opset {found} where {OPSET} was asked for; use torch 2.11 to 2.13")
    return program.model


def _kinds(model: nn.Module) -> list[object]:
    return [parameter.kind for parameter in inspect.signature(model.forward).parameters.values()]


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what torch's exporter warns of on every export, none of which a user can act on."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
