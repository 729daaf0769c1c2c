"""An encoder-decoder network as two files: an encoder to run once, a decoder to run step by step."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgenet.exporter.pipeline import ExportResult, export
from edgenet.models.encoder_decoder import EncoderDecoder
from edgenet.nn import BinarizationReport

ENCODER, DECODER = "encoder", "decoder"


def export_encoder_decoder(
    model: EncoderDecoder, x: Tensor, targets: Tensor, folder: str | Path, *, lengths: Tensor | None = None,
    metadata: Mapping[str, Any] | None = None, prefix: str = "",
) -> dict[str, ExportResult]:  # fmt: skip
    """Write `encoder.onnx` and `decoder.onnx`, both verified; `edgenet.runtime.decoding.SequenceDecoder` runs them.

    The encoder takes `input` and, for sequences, `lengths`, and gives `memory`, `state` and `memory_lengths`. The
    decoder takes `input` (token ids [batch, time], the begin mark first, then what it said last), `state`, `memory`
    and `memory_lengths`, and gives `logits` [batch, time, vocabulary] and `final_state`.

    Args:
        x, targets, lengths: arguments of the model's `forward`, to verify with.
        metadata: as for `edgenet.export`; both files get it, and the decoder the shape of the memory, by which its work
            is counted: that of the longest of `x`.
        prefix: put before the files' names, as in `xnor-encoder.onnx`.

    Raises:
        EdgenetError: as `edgenet.export`.
    """
    original = copy.deepcopy(model).cpu().float().eval()
    encoder, decoder = _part(original, ENCODER), _part(original, DECODER)
    with torch.no_grad():
        memory, state, memory_lengths = encoder(x, lengths)
    given = {"input": x} if lengths is None or x.dim() == 4 else {"input": x, "lengths": lengths}
    for_decoder = {"input": targets, "state": state, "memory": memory, "memory_lengths": memory_lengths}
    example = (targets[:2], state[:, :2], memory[:2], memory_lengths[:2])
    target = Path(folder)
    of_decoder = {**(metadata or {}), "memory_shape": list(memory.shape[1:])}
    return {
        ENCODER: export(encoder, x[:1], target / f"{prefix}{ENCODER}.onnx", samples=given, metadata=metadata),
        DECODER: export(decoder, example, target / f"{prefix}{DECODER}.onnx", samples=for_decoder, metadata=of_decoder),
    }


def _part(model: EncoderDecoder, name: str) -> nn.Module:
    """One half of the network, with the rows of the report that are its own."""
    part = model.get_submodule(name)
    report = getattr(model, "binarization_report", None)
    if isinstance(report, BinarizationReport):
        prefix = f"{name}."
        own = [replace(row, name=row.name.removeprefix(prefix)) for row in report if row.name.startswith(prefix)]
        part.binarization_report = replace(report, layers=own)  # type: ignore[assignment]
    if isinstance(getattr(model, "ends", None), str):
        part.ends = model.ends
    return part
