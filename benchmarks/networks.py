"""Whole networks with untrained weights, exported anew, so that what is measured is what this version writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgenet.errors import EdgenetError

if TYPE_CHECKING:
    from torch import nn

NETWORKS = ("resnet18", "resnet50", "vgg16")
SIZE, CLASSES = 224, 1000
OWN_SIZES = {"lenet5": 32, "resnet20": 32}
"""Of networks for small pictures, which are made for one size and ten classes."""
_LEAD = 10.0


@dataclass(frozen=True)
class Variant:
    """Which version of a network."""

    scheme: str
    ends: str = "fp32"
    activations: str | None = None

    @property
    def label(self) -> str:
        words = [self.scheme, f"ends {self.ends}" if self.scheme != "full" else "", self.activations or ""]
        return "-".join(filter(None, words)).replace(" ", "-")


FULL = Variant("full")


@dataclass(frozen=True)
class Exported:
    """An exported network and the torch module it is of."""

    file: Path
    module: "nn.Module"


def export_network(name: str, variant: Variant, folder: Path, size: int = SIZE) -> Exported:
    """Write one version of a network for 3 x size x size images and 1,000 classes.

    Raises:
        EdgenetError: torch is not installed, or this version of edgenet has no such network or variant.
    """
    try:
        import torch

        from edgenet.exporter import export
        from edgenet.models import create
        from edgenet.nn import calibrate
    except ImportError as error:
        raise EdgenetError(f"exporting {name} needs torch: pip install '.[train]' in a clone of edgenet") from error
    torch.manual_seed(0)
    # Statistics of two small images would be too wild for signs behind them to be the same everywhere.
    count = 32 if name in OWN_SIZES else 2
    images = torch.randn((count, 3, size, size), generator=torch.Generator().manual_seed(0))
    options: Mapping[str, Any] = {"activations": variant.activations} if variant.activations else {}
    shape = {"in_channels": 3} if name in OWN_SIZES else {"in_channels": 3, "input_size": size}
    model = create(
        name, 10 if name in OWN_SIZES else CLASSES, variant.scheme, ends=variant.ends, binary_options=options, **shape
    )
    if variant.scheme != "full":
        calibrate(model, images)
    # Without training only rounding would decide between classes, and the export's check would fail by chance.
    biases = [parameter for key, parameter in model.named_parameters() if key.endswith("bias")]
    with torch.no_grad():
        biases[-1][0] += _LEAD
    file = folder / f"{name}-{size}-{variant.label}.onnx"
    export(model, images[:1], file, samples=images, metadata={"model": name, "task": "image-classification"})
    return Exported(file, model.eval())
