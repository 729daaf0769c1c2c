"""What became of every layer that holds weights, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from edgenet.nn.layers import BinaryLayer

_THRESHOLDS_SET = "one-sided input: thresholds"


@dataclass
class LayerRow:
    """What became of one layer: `action` is "binarized", "quantized" (to 8 bits) or "kept", `scheme` what it now is
    ("bwn", "xnor", "int8" or "full"), `weights` their number."""

    name: str
    kind: str
    action: str
    scheme: str
    reason: str
    weights: int


@dataclass
class BinarizationReport:
    """Every layer that holds weights, in the order the data passes them, and what became of it."""

    scheme: str
    ends: str
    activations: str = "fp32"
    embeddings: str = ""
    layers: list[LayerRow] = field(default_factory=list)

    def __iter__(self) -> Iterator[LayerRow]:
        return iter(self.layers)

    @property
    def binarized(self) -> list[LayerRow]:
        return [row for row in self.layers if row.action == "binarized"]

    @property
    def quantized(self) -> list[LayerRow]:
        return [row for row in self.layers if row.action == "quantized"]

    @property
    def kept(self) -> list[LayerRow]:
        return [row for row in self.layers if row.action == "kept"]

    def as_list(self) -> list[dict[str, Any]]:
        """The rows as plain values, for JSON."""
        return [asdict(row) for row in self.layers]

    def note_thresholds(self, model: nn.Module, one_sided: Mapping[str, int]) -> None:
        """Give as reasons what `calibrate` found in `model`: by layer name, how many input channels are one-sided."""
        layers = dict(model.named_modules())
        for row in self.layers:
            layer = layers.get(row.name)
            # The hidden half of a recurrent layer sees no input: its thresholds are learned from 0.
            if row.action != "binarized" or row.name.endswith(".hidden"):
                continue
            if not isinstance(layer, BinaryLayer) or layer.scheme != "xnor":
                continue
            channels = one_sided.get(row.name)
            if channels is None:
                zeros = "" if layer.threshold is None else ": its thresholds are 0"
                row.reason = row.reason or f"not reached by the calibration batch{zeros}"
            elif channels and layer.threshold is None:
                row.reason = f"one-sided input in {channels} channels, and no thresholds"
            elif not row.reason.startswith(_THRESHOLDS_SET):  # what an earlier calibration set stays said
                row.reason = f"{_THRESHOLDS_SET} of {channels} channels set to their means" if channels else ""

    def __str__(self) -> str:
        width = max((len(row.name) for row in self.layers), default=0)
        lines = []
        for row in self.layers:
            line = (
                f"{row.name:<{width}}  {row.kind:<10} {row.action:<9} {row.scheme:<4} {row.weights:>10,}  {row.reason}"
            )
            lines.append(line.rstrip())
        binary = sum(row.weights for row in self.binarized)
        total = sum(row.weights for row in self.layers)
        eight_bit = sum(row.weights for row in self.quantized)
        options = f"{self.scheme}, ends {self.ends}"
        options += f", activations {self.activations}" if self.activations != "fp32" else ""
        options += f", embeddings {self.embeddings}" if any(row.kind == "Embedding" for row in self.layers) else ""
        others = f", {eight_bit:,} have 8 bits" if eight_bit else ""
        lines.append(f"{binary:,} of {total:,} weights are binary{others} ({options})")
        return "\n".join(lines)
