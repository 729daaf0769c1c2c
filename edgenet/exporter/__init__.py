"""torch to ONNX: packed weights, portable function bodies, graph passes, verification.

Names are loaded on first use, so that the function bodies can be had where torch is not installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgenet.exporter.encoder_decoder import export_encoder_decoder
    from edgenet.exporter.pipeline import ExportResult, export
    from edgenet.exporter.verification import Verification, verify

_HOMES = {
    "ExportResult": "edgenet.exporter.pipeline",
    "Verification": "edgenet.exporter.verification",
    "export": "edgenet.exporter.pipeline",
    "export_encoder_decoder": "edgenet.exporter.encoder_decoder",
    "verify": "edgenet.exporter.verification",
}

__all__ = ["ExportResult", "Verification", "export", "export_encoder_decoder", "verify"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgenet.exporter' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
