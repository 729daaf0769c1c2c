"""export(): a trained torch model becomes one verified ONNX file."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgenet.errors import EdgenetError
from edgenet.exporter.functions import OPSET, attach_functions
from edgenet.exporter.metadata import describe
from edgenet.exporter.passes import apply_passes
from edgenet.exporter.replacement import pack_layers
from edgenet.exporter.translation import LENGTHS, STATE, Signature, add_defaults, signature, translate
from edgenet.exporter.verification import verify
from edgenet.files import write_whole

IR_VERSION = 8
RANDOM_SAMPLES = 32
RANDOM_SEED = 0


@dataclass(frozen=True)
class ExportResult:
    """What was written and how it compares with torch."""

    path: Path
    file_bytes: int
    agreement: dict[str, float]
    """By path (`native`, `portable`; `plain` without binary layers): share of samples with the same class as torch."""
    max_abs_error: dict[str, float]
    """By path: largest absolute difference from torch of any output."""
    samples: int
    sample_source: Literal["given", "random"]
    """`random`: standard normal numbers, seed 0, because no samples were given."""
    why_portable: str | None
    """One sentence on why the native path was not verified; None where it was."""


def export(
    model: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    path: str | Path,
    *,
    samples: Tensor | NDArray | Mapping[str, Tensor | NDArray] | None = None,
    metadata: Mapping[str, Any] | None = None,
    opset: int = OPSET,
) -> ExportResult:
    """Write a torch model as one ONNX file that any ONNX Runtime from 1.17 on runs, and verify it.

    Binary layers become `edgenet` operators with packed weights, each with a portable body in the file (see
    export/SPEC.md); everything else becomes standard operators. The batch is open; so is the time axis of a recurrent
    model, which is one whose `forward` has parameters named `state` (it then returns (logits, state), with the state as
    input and output of the file) or `lengths` (int64 [batch], how many steps of each zero-padded sequence are real; an
    input that may be left out when the file is run). The model itself is left as it is; its inference mode is what is
    exported.

    Args:
        example: an input [batch, ...] ([batch, time, features], or [batch, time] of tokens, for a recurrent model), or
            a tuple of the inputs.
        path: the file; missing folders are made, an existing file is replaced.
        samples: inputs [n, ...] to verify with, best real ones, or a mapping of such by the file's names of its
            inputs, as {"input": ..., "lengths": ...}; without them random ones, and a milder rule
            (`edgenet.exporter.verification`).
        metadata: what to write into the file besides, such as `classes`, `preprocessing`, `model`, `task`, `data`.
        opset: 18 is the only one.

    Raises:
        EdgenetError: the model cannot be exported, the path cannot be written, or the exported network and torch
            disagree on more than 0.5 % of the samples. No file is then left; one that was there stays as it was.
    """
    if opset != OPSET:
        raise EdgenetError(f"opset {opset} cannot be written; opset {OPSET} is what the function bodies are in")
    target = _target(path)
    original = copy.deepcopy(model).cpu().float().eval()
    call = signature(original, example)
    entries = describe(original, call.sample_shape, metadata)
    arguments = _samples(call, samples)
    content = to_onnx(pack_layers(copy.deepcopy(original)), call, entries).SerializeToString()
    verified = verify(
        original, content, arguments, call.input_names, random_samples=samples is None, stepwise=call.stepwise
    )
    _write(target, content)
    return ExportResult(
        path=target,
        file_bytes=len(content),
        agreement=verified.agreement,
        max_abs_error=verified.max_abs_error,
        samples=verified.samples,
        sample_source="random" if samples is None else "given",
        why_portable=verified.why_portable,
    )


def to_onnx(packed: nn.Module, call: Signature, entries: Mapping[str, str]) -> onnx.ModelProto:
    """The checked ONNX model of a torch model whose binary layers are packed already."""
    graph = translate(packed, call)
    apply_passes(graph)
    proto = ir.to_proto(graph)
    del proto.graph.value_info[:]
    # Nothing in the file is newer than IR 8: torch's notes on nodes, which are, have been stripped.
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "edgenet", entries["edgenet.edgenet_version"]
    proto.graph.name = entries.get("edgenet.model", "network")
    attach_functions(proto)
    add_defaults(proto)
    onnx.helper.set_model_props(proto, dict(entries))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise EdgenetError(f"the exported graph is not valid ONNX: {error}") from error
    return proto


def _samples(call: Signature, samples: Tensor | NDArray | Mapping[str, Tensor | NDArray] | None) -> list[Tensor]:
    """The model's arguments for verification, [samples, ...] each, the state [layers, samples, ...]."""
    given = samples if isinstance(samples, Mapping) else {} if samples is None else {"input": samples}
    unknown = [name for name in given if name not in call.input_names]
    if unknown:
        raise EdgenetError(f"samples for {unknown[0]!r}, but the inputs are {', '.join(call.input_names)}")
    if samples is not None and "input" not in given:
        raise EdgenetError("the samples lack 'input', the first input of the network")
    inputs = _inputs(call, given.get("input"))
    count, arguments = len(inputs), [inputs]
    for name, example in list(zip(call.input_names, call.arguments, strict=True))[1:]:
        if name in given:
            arguments.append(torch.as_tensor(np.asarray(given[name])).to(example.dtype))
        elif name == STATE:
            arguments.append(example.new_zeros(example.shape[0], count, *example.shape[2:]))
        elif name == LENGTHS:
            arguments.append(torch.full((count,), inputs.shape[max(call.open_axes[0])]))
        else:  # further inputs are those of the example, repeated
            arguments.append(example[torch.arange(count) % len(example)])
        if arguments[-1].shape[1 if name == STATE else 0] != count:
            raise EdgenetError(f"the samples of {name!r} are {list(arguments[-1].shape)}, for {count} inputs")
    return arguments


def _inputs(call: Signature, samples: Tensor | NDArray | None) -> Tensor:
    kind = call.arguments[0].dtype
    if samples is None and not kind.is_floating_point:
        raise EdgenetError(f"random numbers cannot stand in for inputs of type {kind}; give samples to verify with")
    if samples is None:
        generator = torch.Generator().manual_seed(RANDOM_SEED)
        return torch.randn((RANDOM_SAMPLES, *call.sample_shape), generator=generator)
    inputs = torch.as_tensor(np.asarray(samples)).to(kind)
    shapes = [
        [size for axis, size in enumerate(shape) if axis not in call.open_sample_axes]
        for shape in (list(inputs.shape[1:]), call.sample_shape)
    ]
    if inputs.dim() != call.arguments[0].dim() or shapes[0] != shapes[1]:
        raise EdgenetError(
            f"the samples are {list(inputs.shape)}, but the example's are [batch, {str(call.sample_shape)[1:]}"
        )
    if len(inputs) == 0:
        raise EdgenetError("the export cannot be verified without samples; give at least one, or None for random ones")
    return inputs


def _target(path: str | Path) -> Path:
    target = Path(path).expanduser()
    if target.is_dir():
        raise EdgenetError(f"{target} is a folder; give the path of the .onnx file to write")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise EdgenetError(f"{target} cannot be written: {target.parent} is not a folder") from error
    except OSError as error:
        raise EdgenetError(f"{target} cannot be written: {error.strerror}") from error
    return target


def _write(target: Path, content: bytes) -> None:
    try:
        write_whole(target, content)
    except OSError as error:
        raise EdgenetError(f"{target} cannot be written: {error.strerror}") from error
