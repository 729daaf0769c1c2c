"""ResNet-18 at 224x224 with untrained weights: what bench measures where nothing has been trained yet."""

from pathlib import Path

from edgenet import __version__
from edgenet.cli.base import need_training, note
from edgenet.files import cache_folder

_SCHEMES = ("full", "bwn", "xnor")
_CLASSES = 1000
_LEAD = 10.0


def export_untrained(folder: Path | None = None) -> Path:
    """Write full, bwn and xnor ResNet-18 for 3x224x224 and 1,000 classes into a folder and return it.

    What the folder has already is kept; by default it lies in the cache, under this version.

    Raises:
        EdgenetError: torch is not installed.
    """
    need_training()
    import torch

    from edgenet.exporter import export
    from edgenet.models import create
    from edgenet.nn import calibrate

    folder = folder or cache_folder() / __version__ / "resnet18-224-untrained-int8"
    folder.mkdir(parents=True, exist_ok=True)
    images = torch.randn((8, 3, 224, 224), generator=torch.Generator().manual_seed(0))
    for scheme in _SCHEMES:
        file = folder / f"{scheme}.onnx"
        if file.is_file():
            continue
        note(f"Exporting ResNet-18, {scheme}.")
        torch.manual_seed(0)
        model = create("resnet18", _CLASSES, scheme, in_channels=3)
        if scheme == "xnor":
            calibrate(model, images)
        # Without training only rounding would decide between classes, and the export's check would fail by chance.
        with torch.no_grad():
            model.get_parameter("fc.bias")[0] += _LEAD
        metadata = {"model": "resnet18-untrained", "task": "image-classification"}
        export(model, images[:1], file, samples=images, metadata=metadata)
    return folder
