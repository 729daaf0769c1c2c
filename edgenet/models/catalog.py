"""Names, one-line descriptions and default tasks of the networks. Free of torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgenet.errors import EdgenetError


@dataclass(frozen=True)
class ModelEntry:
    """One network: `module` holds its factory, `data` the built-in set of its default training, "" if none.

    `input_shape` is that of one sample: [C, H, W] of an image, [T, features] of a sequence, [T] of token ids. `small`
    are options of the factory that make it narrow and shallow: of the same kinds of layers, for a quick look or a test.
    `ragged` says that samples may differ in length.
    """

    name: str
    description: str
    module: str
    task: str
    data: str
    input_shape: tuple[int, ...]
    small: Mapping[str, Any] = field(default_factory=dict)
    ragged: bool = False


def _ragged(*fields: Any) -> ModelEntry:
    """A network over sequences of unequal lengths."""
    return replace(ModelEntry(*fields), ragged=True)


def _images(
    name: str, description: str, family: str, small: Mapping[str, Any], *, size: int = 32, channels: int = 3
) -> ModelEntry:
    """A network that classifies images; `family` is its file."""
    shape = (channels, size, size)
    return ModelEntry(name, description, f"edgenet.models.{family}", "image-classification", "digits", shape, small)


def _sequences(name: str, description: str) -> ModelEntry:
    """A recurrent network that classifies sequences."""
    return ModelEntry(
        name, description, "edgenet.models.recurrent", "sequence-classification", "digits", (28, 28),
        {"hidden_size": 64},
    )  # fmt: skip


_SHALLOW = {"depths": (1, 1), "width": 16}
_BI_REAL = "torchvision's layout (He et al. 2016); xnor: a shortcut over every convolution (Bi-Real Net)"
_BOTTLENECK = "torchvision's layout (He et al. 2016); xnor: no ReLU, a shortcut over every bottleneck"
_RESNET = (
    _images("resnet18", f"ResNet-18, {_BI_REAL}", "resnet", _SHALLOW),
    _images("resnet34", f"ResNet-34, {_BI_REAL}", "resnet", _SHALLOW),
    _images("resnet50", f"ResNet-50, {_BOTTLENECK}", "resnet", _SHALLOW),
    _images("resnet101", f"ResNet-101, {_BOTTLENECK}", "resnet", _SHALLOW),
    _images("resnet152", f"ResNet-152, {_BOTTLENECK}", "resnet", _SHALLOW),
)

_CIFAR = "for CIFAR-sized images (He et al. 2016, section 4.2); xnor: a shortcut over every convolution"
_RESNET_CIFAR = tuple(
    _images(f"resnet{layers}", f"ResNet-{layers} {_CIFAR}", "resnet_cifar", {"depth": 1, "width": 8})
    for layers in (20, 32, 44, 56, 110)
)

_PATHS = _SHALLOW | {"paths": 8}
_RESNEXT_LAYOUT = "torchvision's layout (Xie et al. 2017); xnor: no ReLU, a shortcut over every bottleneck"
_RESNEXT = (
    _images("resnext50_32x4d", f"ResNeXt-50, 32 paths of 4 channels, {_RESNEXT_LAYOUT}", "resnext", _PATHS),
    _images("resnext101_32x8d", f"ResNeXt-101, 32 paths of 8 channels, {_RESNEXT_LAYOUT}", "resnext", _PATHS),
    _images("resnext50_mixed", "ResNeXt-50 with 16 paths of 3x3 and 16 of 5x5 filters", "resnext", _PATHS),
)

_DENSE = {"depths": (2, 1), "growth": 16, "width": 32}
_DENSENET = tuple(
    _images(
        f"densenet{layers}",
        f"DenseNet-{layers}, torchvision's layout (Huang et al. 2017); xnor: sign() for ReLU in the blocks",
        "densenet",
        _DENSE,
    )
    for layers in (121, 161, 169, 201)
)

_VGG_LAYOUT = "torchvision's layout (Simonyan and Zisserman 2015); xnor: no ReLU"
_NARROW = {"depths": (1, 1, 1, 1, 1), "width": 16, "classifier_size": 64}
_VGG = (
    *(
        _images(f"vgg{layers}", f"VGG-{layers} with batch normalisation, {_VGG_LAYOUT}", "vgg", _NARROW)
        for layers in (11, 13, 16, 19)
    ),
    *(
        _images(f"vgg{layers}_plain", f"VGG-{layers} as published, {_VGG_LAYOUT}, normalised", "vgg", _NARROW)
        for layers in (11, 13, 16, 19)
    ),
    _images("vgg_small", "VGG-small of the papers on binary networks (LQ-Nets 2018)", "vgg_small", {"width": 16}),
)

_CLASSIC = (
    _images("lenet5", "LeNet-5 (LeCun et al. 1998) with batch normalisation, for 32x32 grey images", "lenet", {},
            channels=1),
    _images("alexnet", "AlexNet in one tower, torchvision's layout (Krizhevsky 2014); xnor: no ReLU, normalised",
            "alexnet", {"widths": (16, 32, 32, 32, 32), "classifier_size": 64}, size=64),
    _images("nin", "Network in Network (Lin et al. 2014) with batch normalisation", "nin", {"divisor": 8}),
    _images("googlenet", "GoogLeNet, torchvision's layout (Szegedy et al. 2015); xnor: a shortcut over every module",
            "googlenet", {"divisor": 8}),
)  # fmt: skip

_MODERN = (
    _images("convnext_tiny", "ConvNeXt-T, torchvision's layout (Liu et al. 2022); depthwise convolutions keep fp32",
            "convnext", {"depths": (1, 1), "width": 16}),
    _images("reactnet_a", "ReActNet-A (Liu et al. 2020), made to be binary: RPReLU, a shortcut over every convolution",
            "reactnet", {"width": 16, "blocks": ((2, 1), (4, 2), (4, 1))}),
)  # fmt: skip

_RECURRENT = (
    _sequences("elman", "Elman recurrent network (1990), stacked, many-to-one: reads an image row by row"),
    _sequences("lstm", "LSTM (Hochreiter and Schmidhuber 1997), stacked, many-to-one; xnor: with hard gates"),
    _sequences("gru", "GRU (Cho et al. 2014), stacked, many-to-one; xnor: with hard gates"),
)

_STANDARD = (
    *_RESNET,
    *_RESNET_CIFAR,
    *_RESNEXT,
    *_DENSENET,
    *_VGG,
    *_CLASSIC,
    *_MODERN,
    *_RECURRENT,
)

_UNUSUAL = (
    _images(
        "highway_mlp",
        "fully connected highway network (Srivastava et al. 2015); carry_gate=True gives it a carry gate of its own",
        "highway",
        {"width": 32, "depth": 3},
        channels=1,
    ),
    _images(
        "highway_cnn",
        "convolutional highway network (Srivastava et al. 2015); carry_gate=True gives it a carry gate of its own",
        "highway",
        {"width": 16, "depth": 2, "stages": 2},
        channels=1,
    ),
    _images(
        "diracnet",
        "DiracNet (Zagoruyko and Komodakis 2017): skips inside the kernels, one convolution each in full",
        "diracnet",
        {"width": 16, "depth": 2},
        channels=1,
    ),
    _images(
        "deep_plain_cnn",
        "plain CNN of any depth, delta-orthogonal (Xiao et al. 2018); depth=10000 trains in bounded memory",
        "deep",
        {"width": 16, "depth": 6},
        channels=1,
    ),
    _images(
        "deep_resnet",
        "ResNet of any depth, a shortcut over every convolution; depth=10000 trains in bounded memory",
        "deep",
        {"width": 16, "depth": 8},
        channels=1,
    ),
    _images(
        "parnet",
        "ParNet (Goyal et al. 2021): three parallel streams instead of depth, narrow by default",
        "parnet",
        {"widths": (16, 16, 24, 32, 48), "depths": (1, 1, 1)},
        channels=1,
    ),
    _images(
        "randomly_wired",
        "randomly wired network (Xie et al. 2019); graph=erdos_renyi, barabasi_albert or watts_strogatz",
        "randomly_wired",
        {"nodes": 5, "widths": (16, 32)},
        channels=1,
    ),
    _images(
        "random_cnn",
        "CNN of frozen random signs, the read-out fitted in closed form (Jarrett et al. 2009)",
        "random_features",
        {"widths": (16, 32, 32)},
        channels=1,
    ),
    _images(
        "elm",
        "extreme learning machine (Huang et al. 2006): frozen random signs, the read-out fitted in closed form",
        "random_features",
        {"hidden_size": 200},
        channels=1,
    ),
    ModelEntry(
        "esn",
        "echo state network (Jaeger 2001): a reservoir of frozen random signs, the read-out fitted in closed form",
        "edgenet.models.random_features",
        "sequence-classification",
        "digits",
        (28, 28),
        {"hidden_size": 50},
    ),
)
"""Highway, Dirac, very deep, parallel and randomly wired networks, and those that are fitted in closed form."""

_SMALL_TEXT = {"vocabulary_size": 30, "embedding_size": 12, "hidden_size": 10, "num_layers": 2}
_SMALL_PAIR = {"source_vocabulary_size": 20, "embedding_size": 12, "hidden_size": 16}

_SEQUENCES = (
    _ragged(
        "text_classifier",
        "embedding and recurrent layers in both directions, many-to-one: a class for a text of any length",
        "edgenet.models.sequence_classification",
        "sequence-classification",
        "",
        (24,),
        _SMALL_TEXT,
    ),
    _ragged(
        "frame_classifier",
        "recurrent layers in both directions over frames of features, many-to-one: a class for a recording",
        "edgenet.models.sequence_classification",
        "sequence-classification",
        "japanese-vowels",
        (29, 12),
        {"hidden_size": 10},
    ),
    _ragged(
        "frame_labeller",
        "recurrent layers that read forward, many-to-many without delay: online speech recognition frame by frame",
        "edgenet.models.sequence_labelling",
        "sequence-labelling",
        "",
        (40, 40),
        {"hidden_size": 10},
    ),
    _ragged(
        "token_labeller",
        "embedding and recurrent layers in both directions, many-to-many without delay: a class for each word",
        "edgenet.models.sequence_labelling",
        "sequence-labelling",
        "",
        (24,),
        _SMALL_TEXT,
    ),
    _ragged(
        "language_model",
        "recurrent language model (Mikolov et al. 2010), many-to-many without delay: the next character or word",
        "edgenet.models.sequence_labelling",
        "language-modelling",
        "",
        (32,),
        {"embedding_size": 12, "hidden_size": 10},
    ),
    _ragged(
        "translator",
        "encoder-decoder with attention (Luong et al. 2015), many-to-many with delay",
        "edgenet.models.encoder_decoder",
        "sequence-to-sequence",
        "",
        (12,),
        _SMALL_PAIR,
    ),
    _ragged(
        "pronouncer",
        "encoder-decoder with attention, many-to-many with delay: letters to phonemes",
        "edgenet.models.encoder_decoder",
        "sequence-to-sequence",
        "cmudict",
        (12,),
        _SMALL_PAIR,
    ),
    _ragged(
        "captioner",
        "CNN encoder and recurrent decoder with attention (Xu et al. 2015), one-to-many: a picture's caption",
        "edgenet.models.captioning",
        "image-captioning",
        "digit-words",
        (1, 28, 28),
        {"width": 8, "embedding_size": 12, "hidden_size": 16},
    ),
    _ragged(
        "string_reader",
        "CNN, recurrent layers and CTC (Shi et al. 2017): a picture of a string to its characters",
        "edgenet.models.string_recognition",
        "string-recognition",
        "digit-strings",
        (1, 32, 96),
        {"width": 8, "hidden_size": 10},
    ),
)  # fmt: skip
_ENTRIES = (*_STANDARD, *_UNUSUAL, *_SEQUENCES)


def list_models() -> list[ModelEntry]:
    """All networks of the registry."""
    return list(_ENTRIES)


def get_entry(name: str) -> ModelEntry:
    """The network of that name. Raises EdgenetError for a name that is not known."""
    for entry in _ENTRIES:
        if entry.name == name:
            return entry
    from difflib import get_close_matches

    names = [entry.name for entry in _ENTRIES]
    some = ", ".join(get_close_matches(name, names, 3, 0.8) or names[:5])
    raise EdgenetError(
        f"unknown model {name!r}: use one of {some} (edgenet models lists all), or package.module:factory for your own"
    )
