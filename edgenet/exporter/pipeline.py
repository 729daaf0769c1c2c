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
from edgenet.exporter.preprocessing import SoundPreprocessing, embed_preprocessing, find_preprocessing
from edgenet.exporter.preprocessing.pictures import IMAGE
from edgenet.exporter.preprocessing.sound import SOUND, TAIL, made_up_sounds
from edgenet.exporter.replacement import pack_layers
from edgenet.exporter.translation import LENGTHS, STATE, Signature, add_defaults, signature, translate
from edgenet.exporter.verification import Verification, verify
from edgenet.files import write_whole
from edgenet.tasks.pictures import PicturePreprocessing

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
    embed: bool = False,
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
        embed: put what `metadata["preprocessing"]` tells of before the network, so that the file takes pictures or
            sound (`edgenet.exporter.preprocessing.embed_preprocessing`); it is then verified on the pictures that
            `samples` were made of, or beside `samples` on made-up sounds.
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
    embedded = None
    if embed:
        embedded = find_preprocessing((metadata or {}).get("preprocessing"), entries.get("edgenet.model", target.stem))
    arguments = _samples(call, samples, embedded)
    proto = to_onnx(pack_layers(copy.deepcopy(original)), call, entries)
    content = proto.SerializeToString()
    if embedded is not None:
        embed_preprocessing(proto)
    verified = _verify(original, content, proto.SerializeToString(), arguments, call, embedded, samples is None)
    content = proto.SerializeToString()
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


def _verify(
    model: nn.Module, plain: bytes, written: bytes, arguments: list[Tensor], call: Signature,
    embedded: PicturePreprocessing | SoundPreprocessing | None, random: bool,
) -> Verification:  # fmt: skip
    """Verify what is written: the network on its samples, through the embedded preprocessing where there is one."""
    rules: dict[str, Any] = {"random_samples": random, "stepwise": call.stepwise}
    if embedded is None:
        return verify(model, plain, arguments, call.input_names, **rules)
    if isinstance(embedded, PicturePreprocessing):
        pictures = {IMAGE: torch.from_numpy(embedded.pictures(arguments[0].numpy()))}
        return verify(model, written, arguments, call.input_names, given=pictures, **rules)
    on_samples = verify(model, plain, arguments, call.input_names, **rules)
    frames = arguments[0].shape[1]
    sounds = made_up_sounds(RANDOM_SAMPLES, embedded.window + (frames - 1) * embedded.hop, embedded.rate)
    heard = Signature(
        (torch.from_numpy(embedded.samples(sounds)), *call.arguments[1:]), call.input_names, call.output_names,
        call.open_axes, call.stepwise,
    )  # fmt: skip
    given = {SOUND: torch.from_numpy(sounds), TAIL: torch.zeros(len(sounds), 0)}
    on_sounds = verify(
        model, written, _samples(heard, heard.arguments[0]), call.input_names, given=given, random_samples=True,
        stepwise=call.stepwise,
    )  # fmt: skip
    return on_samples.worse(on_sounds)


def _samples(
    call: Signature, samples: Tensor | NDArray | Mapping[str, Tensor | NDArray] | None,
    embedded: PicturePreprocessing | SoundPreprocessing | None = None,
) -> list[Tensor]:  # fmt: skip
    """The model's arguments for verification, [samples, ...] each, the state [layers, samples, ...]."""
    given = samples if isinstance(samples, Mapping) else {} if samples is None else {"input": samples}
    unknown = [name for name in given if name not in call.input_names]
    if unknown:
        raise EdgenetError(f"samples for {unknown[0]!r}, but the inputs are {', '.join(call.input_names)}")
    if samples is not None and "input" not in given:
        raise EdgenetError("the samples lack 'input', the first input of the network")
    first = given.get("input")
    if first is None and isinstance(embedded, PicturePreprocessing):
        random = np.random.default_rng(RANDOM_SEED)
        first = embedded.samples(random.integers(0, 256, (RANDOM_SAMPLES, *embedded.picture_shape), np.uint8))
    inputs = _inputs(call, first)
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
