"""What a peer is: another runtime, which makes contenders of a layer or of a network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.contenders import Contender
from benchmarks.layers import Layer

Make = Callable[[], Contender]


class CannotBuildError(Exception):
    """A peer has no such operator, or its model files cannot be made here."""


@dataclass(frozen=True)
class Network:
    """A whole network's full-precision files, and what it is fed."""

    name: str
    full: Path
    int8: Path
    """Quantised by ONNX Runtime: QDQ, per channel."""
    feeds: Mapping[str, np.ndarray]
    module: object
    """The torch module."""


class Peer(ABC):
    """Another runtime. `names` are those of its ratios; a contender is made only when it is called for."""

    name: str
    names: tuple[str, ...]

    @abstractmethod
    def layer(self, layer: Layer) -> dict[str, Make]:
        """Return what makes each contender for a layer, by the name of its ratio.

        Calling one raises CannotBuildError where this peer has no way to run the layer.
        """

    @abstractmethod
    def network(self, network: Network) -> dict[str, Make]:
        """Return the same for a network; empty where the peer runs none here."""
