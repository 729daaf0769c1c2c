"""Measuring exported files: devices, meters, statistics, results. Never imports torch.

Names are loaded on first use: a worker process counts memory above one that has only imported ONNX Runtime.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgenet.bench.benchmark import run
    from edgenet.bench.comparison import compare
    from edgenet.bench.conditions import Condition
    from edgenet.bench.devices.registry import get_device, list_kinds
    from edgenet.bench.inputs import parse_shapes
    from edgenet.bench.results import read_result, write_csv, write_json
    from edgenet.bench.targets import newest_run

_HOMES = {
    "Condition": "conditions",
    "run": "benchmark",
    "compare": "comparison",
    "get_device": "devices.registry",
    "list_kinds": "devices.registry",
    "newest_run": "targets",
    "parse_shapes": "inputs",
    "read_result": "results",
    "write_csv": "results",
    "write_json": "results",
}

__all__ = [
    "Condition",
    "compare",
    "get_device",
    "list_kinds",
    "newest_run",
    "parse_shapes",
    "read_result",
    "run",
    "write_csv",
    "write_json",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgenet.bench' has no attribute {name!r}")
    return getattr(import_module(f"edgenet.bench.{_HOMES[name]}"), name)
