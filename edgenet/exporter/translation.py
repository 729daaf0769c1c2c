"""Runs torch's ONNX exporter with open batch and time axes, and says in one sentence where it cannot."""

import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.exporter.functions import OPSET
from edgenet.exporter.packed import standard_node

STATE, LENGTHS = "state", "lengths"
"""Parameters of `forward` with a meaning of their own: [layers, batch, ...], and int64 [batch]."""
WHOLE = 2**63 - 1
"""What `lengths` is where a file is run without: no sequence is longer."""


@dataclass(frozen=True)
class Signature:
    """How a model is called: its example arguments and the ONNX names and open axes that go with them."""

    arguments: tuple[Tensor, ...]
    input_names: list[str]
    output_names: list[str]
    open_axes: list[dict[int, str]]
    stepwise: bool = False
    """Whether the first output has class scores for each step, [batch, time, classes]."""

    @property
    def sample_shape(self) -> list[int]:
        """Shape of one sample of the first input, its length in time as in the example."""
        return list(self.arguments[0].shape[1:])

    @property
    def recurrent(self) -> bool:
        """Whether a state goes in and out."""
        return STATE in self.input_names

    @property
    def open_sample_axes(self) -> set[int]:
        """Axes of one sample of the first input that are open."""
        return {axis - 1 for axis in self.open_axes[0] if axis}


def signature(model: nn.Module, example: Tensor | tuple[Tensor, ...]) -> Signature:
    """Work out how to export a model in eval mode, from its `forward`'s parameters and the example of the first ones.

    A parameter `state` whose model returns (logits, state) goes in and out, and a parameter `lengths` may be left out
    when the file is run; both are exported though the example lacks them. With either, the time axis of the first
    input is open: the second one, of an image the last. Of other inputs the batch is open, and what a model's
    attribute `open_axes` names, as in {"memory": {1: "memory_time"}}; its attribute `output_names` names the outputs.

    Raises:
        EdgenetError: the example is no tensor with a batch, or the model does not run on it.
    """
    given = example if isinstance(example, tuple) else (example,)
    if not given or not all(isinstance(t, Tensor) and t.dim() > 0 and t.numel() for t in given):
        raise EdgenetError("export needs an example input: a tensor [batch, ...], or a tuple of the model's tensors")
    arguments = [t.detach().cpu().float() if t.is_floating_point() else t.detach().cpu() for t in given]
    roles = _roles(model, len(arguments))
    x = _two(arguments[0], 0)
    time = x.dim() - 1 if x.dim() == 4 else 1
    if set(roles) & {STATE, LENGTHS}:
        if x.dim() < (3 if x.is_floating_point() else 2):
            raise EdgenetError(f"a recurrent model's example is [batch, time, features], got {list(x.shape)}")
        x = torch.cat([x, x], time) if x.shape[time] == 1 else x
    values: dict[str, Tensor] = {role: _two(t, _batch_axis(role)) for role, t in zip(roles, arguments, strict=False)}
    values["input"] = x
    if LENGTHS in roles:
        values.setdefault(LENGTHS, torch.full((2,), x.shape[time]))
    outputs = _run(model, {name: values[name] for name in roles if name in values}, len(arguments))
    several = isinstance(outputs, tuple | list)
    if STATE in roles and STATE not in values:
        if several and len(outputs) == 2:
            values[STATE] = torch.zeros_like(outputs[1])
        else:
            roles = roles[: roles.index(STATE)]
    has_time = bool(set(roles) & {STATE, LENGTHS})
    own_axes = getattr(model, "open_axes", {})
    axes = [{_batch_axis(role): "batch" if role != LENGTHS else LENGTHS} | own_axes.get(role, {}) for role in roles]
    if has_time:
        axes[0][time] = "width" if x.dim() == 4 else "time"
    count = len(outputs) if several else 1
    is_streaming = STATE in roles and count == 2
    further = ["final_state"] if is_streaming else [f"output_{index}" for index in range(1, count)]
    names = list(getattr(model, "output_names", ("logits", *further)))
    first = outputs[0] if several else outputs
    stepwise = has_time and isinstance(first, Tensor) and first.dim() == 3
    return Signature(tuple(values[role] for role in roles), roles, names, axes, stepwise)


def _roles(model: nn.Module, given: int) -> list[str]:
    """The ONNX names of a model's inputs: those that the example gives, and state and lengths where they follow."""
    parameters = list(inspect.signature(model.forward).parameters)
    named = {STATE, LENGTHS, *getattr(model, "open_axes", {})}
    roles = ["input"]
    for index in range(1, max(given, len(parameters))):
        name = parameters[index] if index < len(parameters) else ""
        if index >= given and name not in (STATE, LENGTHS):
            break
        roles.append(name if name in named else f"input_{index}")
    return roles


def _batch_axis(role: str) -> int:
    return 1 if role == STATE else 0


def _two(tensor: Tensor, axis: int) -> Tensor:
    """Two along the batch axis: torch takes a size of one for fixed, and more only takes time."""
    return torch.cat([tensor, tensor], axis).narrow(axis, 0, 2)


def _run(model: nn.Module, values: dict[str, Tensor], given: int) -> Any:
    arguments = list(values.values())
    further = {name: t for index, (name, t) in enumerate(values.items()) if index >= given}
    try:
        with torch.no_grad():
            return model(*arguments[:given], **further)
    except Exception as error:
        shapes = [list(t.shape) for t in arguments[:given]]
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
        with _quiet(), _whole_lengths(model, call), torch.no_grad():
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


@contextmanager
def _whole_lengths(model: nn.Module, call: Signature) -> Iterator[None]:
    """Have the model see lengths of all samples and no longer than the steps, whatever the file is given or not."""
    if LENGTHS not in call.input_names:
        yield
        return
    place, time = call.input_names.index(LENGTHS), max(call.open_axes[0])

    def fill(_module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, lengths = arguments[0], arguments[place]
        steps = standard_node("Shape", [x], [1], torch.int64, start=time, end=time + 1)
        samples = standard_node("Shape", [x], [1], torch.int64, start=0, end=1)
        bounded = standard_node("Min", [lengths, steps], lengths.shape, torch.int64)
        filled = standard_node("Expand", [bounded, samples], [x.shape[0]], torch.int64)
        return (*arguments[:place], filled, *arguments[place + 1 :])

    hook = model.register_forward_pre_hook(fill)
    try:
        yield
    finally:
        hook.remove()


def add_defaults(proto: onnx.ModelProto) -> None:
    """Give the input `lengths`, where there is one, the value that it has when a file is run without."""
    if any(value.name == LENGTHS for value in proto.graph.input):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([WHOLE]), LENGTHS))


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
