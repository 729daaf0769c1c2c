"""Names, one-line descriptions and default tasks of the networks. Free of torch."""

from dataclasses import dataclass

from edgenet.errors import EdgenetError


@dataclass(frozen=True)
class ModelEntry:
    """One network: `module` holds its factory, `data` is the built-in set it is trained on by default."""

    name: str
    description: str
    module: str
    task: str
    data: str
    input_shape: tuple[int, ...]


_ENTRIES = (
    ModelEntry(
        "resnet18",
        "ResNet-18, torchvision's layout (He et al. 2016); xnor: a shortcut over every convolution (Bi-Real Net)",
        "edgenet.models.resnet",
        "image-classification",
        "digits",
        (3, 32, 32),
    ),
    ModelEntry(
        "resnet50",
        "ResNet-50, torchvision's layout (He et al. 2016); xnor: no ReLU, a shortcut over every bottleneck",
        "edgenet.models.resnet",
        "image-classification",
        "digits",
        (3, 32, 32),
    ),
    ModelEntry(
        "vgg16",
        "VGG-16 with batch normalisation, torchvision's layout (Simonyan and Zisserman 2015); xnor: no ReLU",
        "edgenet.models.vgg",
        "image-classification",
        "digits",
        (3, 32, 32),
    ),
    ModelEntry(
        "lenet5",
        "LeNet-5 (LeCun et al. 1998) with batch normalisation, for 32x32 grey images",
        "edgenet.models.lenet",
        "image-classification",
        "digits",
        (1, 32, 32),
    ),
    ModelEntry(
        "elman",
        "Elman recurrent network (1990), stacked, many-to-one: reads an image row by row",
        "edgenet.models.recurrent",
        "sequence-classification",
        "digits",
        (28, 28),
    ),
    ModelEntry(
        "lstm",
        "LSTM (Hochreiter and Schmidhuber 1997), stacked, many-to-one; xnor: with hard gates",
        "edgenet.models.recurrent",
        "sequence-classification",
        "digits",
        (28, 28),
    ),
    ModelEntry(
        "gru",
        "GRU (Cho et al. 2014), stacked, many-to-one; xnor: with hard gates",
        "edgenet.models.recurrent",
        "sequence-classification",
        "digits",
        (28, 28),
    ),
)


def list_models() -> list[ModelEntry]:
    """All networks of the registry."""
    return list(_ENTRIES)


def get_entry(name: str) -> ModelEntry:
    """The network of that name. Raises EdgenetError for a name that is not known."""
    for entry in _ENTRIES:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in _ENTRIES)
    raise EdgenetError(f"unknown model {name!r}: use one of {known}, or package.module:factory for your own")
