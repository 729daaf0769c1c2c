"""What binarisation is: sign and its gradients, scaling factors, thresholds, binary layers, `binarize`, bit packing.

Names are loaded on first use, so that `edgenet.nn.packing` can be used where torch is not installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgenet.nn.binarization import binarize
    from edgenet.nn.binarization_report import BinarizationReport, LayerRow
    from edgenet.nn.calibration import calibrate
    from edgenet.nn.dirac import DiracConv2d
    from edgenet.nn.embeddings import BinaryEmbedding, Int8Embedding
    from edgenet.nn.estimators import (
        ApproxSign,
        ErrorDecay,
        Estimator,
        Identity,
        StraightThrough,
        SwishSign,
        get_estimator,
        list_estimators,
        set_progress,
    )
    from edgenet.nn.frozen import FrozenConv2d, FrozenLayer, FrozenLinear
    from edgenet.nn.frozen_recurrent import FrozenRNN
    from edgenet.nn.functional import scaled_sign, sign
    from edgenet.nn.int8 import Int8Conv1d, Int8Conv2d, Int8Layer, Int8Linear
    from edgenet.nn.latent import (
        StarvedChannels,
        clip_after_step,
        clip_latent_weights,
        latent_signs,
        starved_channels,
    )
    from edgenet.nn.layers import BinaryConv1d, BinaryConv2d, BinaryLayer, BinaryLinear
    from edgenet.nn.packing import pack_bits, unpack_bits
    from edgenet.nn.padded_norm import PaddedBatchNorm2d
    from edgenet.nn.padded_recurrent import run_recurrent
    from edgenet.nn.recurrent import BinaryGRU, BinaryLSTM, BinaryRNN
    from edgenet.nn.recurrent_layer import BinaryRNNLayer, RecurrentParameters
    from edgenet.nn.sequences import last_step, mask_steps, reverse_sequences, step_mask

_MODULES = {
    "binarization": ("binarize",),
    "binarization_report": ("BinarizationReport", "LayerRow"),
    "calibration": ("calibrate",),
    "dirac": ("DiracConv2d",),
    "embeddings": ("BinaryEmbedding", "Int8Embedding"),
    "estimators": (
        "ApproxSign",
        "ErrorDecay",
        "Estimator",
        "Identity",
        "StraightThrough",
        "SwishSign",
        "get_estimator",
        "list_estimators",
        "set_progress",
    ),
    "frozen": ("FrozenConv2d", "FrozenLayer", "FrozenLinear"),
    "frozen_recurrent": ("FrozenRNN",),
    "functional": ("scaled_sign", "sign"),
    "int8": ("Int8Conv1d", "Int8Conv2d", "Int8Layer", "Int8Linear"),
    "latent": ("StarvedChannels", "clip_after_step", "clip_latent_weights", "latent_signs", "starved_channels"),
    "layers": ("BinaryConv1d", "BinaryConv2d", "BinaryLayer", "BinaryLinear"),
    "packing": ("pack_bits", "unpack_bits"),
    "padded_norm": ("PaddedBatchNorm2d",),
    "padded_recurrent": ("run_recurrent",),
    "recurrent": ("BinaryGRU", "BinaryLSTM", "BinaryRNN"),
    "recurrent_layer": ("BinaryRNNLayer", "RecurrentParameters"),
    "sequences": ("last_step", "mask_steps", "reverse_sequences", "step_mask"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "ApproxSign",
    "BinarizationReport",
    "BinaryConv1d",
    "BinaryConv2d",
    "BinaryEmbedding",
    "BinaryGRU",
    "BinaryLSTM",
    "BinaryLayer",
    "BinaryLinear",
    "BinaryRNN",
    "BinaryRNNLayer",
    "DiracConv2d",
    "ErrorDecay",
    "Estimator",
    "FrozenConv2d",
    "FrozenLayer",
    "FrozenLinear",
    "FrozenRNN",
    "Identity",
    "Int8Conv1d",
    "Int8Conv2d",
    "Int8Embedding",
    "Int8Layer",
    "Int8Linear",
    "LayerRow",
    "PaddedBatchNorm2d",
    "RecurrentParameters",
    "StarvedChannels",
    "StraightThrough",
    "SwishSign",
    "binarize",
    "calibrate",
    "clip_after_step",
    "clip_latent_weights",
    "get_estimator",
    "last_step",
    "latent_signs",
    "list_estimators",
    "mask_steps",
    "pack_bits",
    "reverse_sequences",
    "run_recurrent",
    "scaled_sign",
    "set_progress",
    "sign",
    "starved_channels",
    "step_mask",
    "unpack_bits",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'edgenet.nn' has no attribute {name!r}")
    return getattr(import_module(f"edgenet.nn.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
