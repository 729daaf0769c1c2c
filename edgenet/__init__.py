"""Binary neural networks for the edge: train 1-bit CNNs and RNNs, export them to ONNX, measure them.

Names are loaded on first use, so that `import edgenet` costs nothing and a device needs neither torch nor Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from edgenet.errors import EdgenetError

if TYPE_CHECKING:
    from edgenet.exporter import export
    from edgenet.nn import binarize
    from edgenet.runtime import InferenceSession

__version__ = "0.1.0"
__all__ = ["EdgenetError", "InferenceSession", "__version__", "binarize", "export"]

_HOMES = {
    "InferenceSession": "edgenet.runtime",
    "binarize": "edgenet.nn",
    "export": "edgenet.exporter",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgenet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
