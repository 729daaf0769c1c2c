"""How each scheme is trained: one dataclass, one table."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgenet.errors import EdgenetError
from edgenet.tasks.dataset import IMAGES, SEQUENCES

BINARY_OPTIONS = ("estimator", "weight_estimator", "scale", "threshold", "activation_scale", "stochastic", "embeddings")
"""What of a recipe decides how the binary layers compute."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how one network is trained, but for seed and data.

    The optimizer is AdamW; weight decay is for float weights only, never for latent ones, whose size means nothing. The
    learning rate rises for the share `warmup` of all steps and falls to 0 along half a cosine. `distillation` is the
    share of the teacher in the loss, `temperature` softens its answers (Hinton et al. 2015, arXiv:1503.02531). A binary
    network starts from the weights of the full one, unless `from_full` is false. `ends` are those where `train` is not
    told; `estimator` to `embeddings` are options of `edgenet.nn.binarize`.

    With `float_weights` a network is trained in two steps (Martinez et al. 2020, arXiv:2003.11535, section 4.1), each
    with a learning rate of its own that rises and falls; the second's is the share `second_rate` of the first's. Raises
    EdgenetError where it has `patience` as well, which could end training before weights were ever binary.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 64
    weight_decay: float = 0.0
    warmup: float = 0.1
    shift: int = 2  # images are moved by up to this many pixels, at random
    flip: bool = False  # images are mirrored at random
    gradient_clip: float = 0.0  # largest norm of all gradients; 0: none
    distillation: float = 0.7
    temperature: float = 4.0
    estimator: str = "approx_sign"
    weight_estimator: str = "ste"
    scale: str = "mean"
    threshold: bool = True
    activation_scale: bool = False
    stochastic: bool = False
    embeddings: str | None = None  # "fp32", "int8" or "binary"; None: as the ends
    ends: str = "int8"
    from_full: bool = True
    tbptt: int = 0  # truncated back-propagation: steps of a sequence for each of the optimizer; 0: whole sequences
    patience: int = 0  # stop early: epochs without a better validation before training ends; 0: all epochs
    balanced: bool = False  # classes weigh in the loss by how rare they are: N / (classes * N of the class)
    float_weights: float = 0.0  # the share of the epochs, at first, in which activations alone are binary
    second_rate: float = 1.0  # of the learning rate, where weights are binary after `float_weights`
    fitted_gains: bool = False  # recurrent layers begin with gains fitted to the full network (`edgenet.nn.calibrate`)
    word_dropout: float = 0.0  # a: tokens become <unk> in training with probability a / (a + their count); 0: none

    def __post_init__(self) -> None:
        if self.float_weights and self.patience:
            raise EdgenetError("a recipe in two steps (float_weights) cannot have patience: leave one at 0")

    def binary_options(self) -> dict[str, Any]:
        """What of it `edgenet.nn.binarize` takes."""
        return {name: getattr(self, name) for name in BINARY_OPTIONS}

    @property
    def float_weight_epochs(self) -> int:
        """How many epochs, at first, have float weights; at least one has binary ones."""
        return max(0, min(round(self.float_weights * self.epochs), self.epochs - 1))

    @property
    def needs_full(self) -> bool:
        """Whether a binary network needs a trained full one, as its teacher or to start from."""
        return self.from_full or self.distillation > 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


Recipes = str | Recipe | Mapping[str, Recipe]
"""A name, a recipe for all schemes, or one a scheme."""

_RECURRENT_CLIP = 1.0  # gradients through many steps can explode


def _recipes(epochs: tuple[int, int, int], rates: tuple[float, float, float], **options: Any) -> dict[str, Recipe]:
    """A recipe for full, bwn and xnor each, from their numbers of epochs and learning rates."""
    full, bwn, xnor = (Recipe(e, rate, **options) for e, rate in zip(epochs, rates, strict=True))
    return {"full": full, "bwn": bwn, "xnor": xnor}


_OWN = _recipes((12, 12, 20), (2e-3, 1e-3, 2e-3))
# Epochs are few: binary networks start from the weights of the full one, and the digits are few and easy.
_BASIC = _recipes((6, 4, 9), (2e-3, 1e-3, 2e-3))
_DEEP = _recipes((6, 4, 9), (1e-3, 1e-3, 2e-3))
_SMALL = _recipes((12, 8, 16), (2e-3, 1e-3, 2e-3))
# The classifier's many inputs take a smaller rate, and more so where nothing normalises them.
_LARGE_CLASSIFIER = _recipes((6, 4, 9), (1e-4, 1e-4, 5e-4))
_PLAIN = _recipes((12, 6, 12), (1e-4, 1e-4, 5e-4), gradient_clip=1.0)
_CONVNEXT = _recipes((12, 6, 12), (1e-3, 5e-4, 1e-3), weight_decay=0.05, warmup=0.2)
_LENET = _recipes((12, 12, 25), (4e-3, 4e-3, 5e-3))
_ELMAN = _recipes((20, 30, 30), (2e-3, 4e-3, 4e-3), gradient_clip=_RECURRENT_CLIP)
_GATED = _recipes((12, 12, 16), (4e-3, 4e-3, 4e-3), gradient_clip=_RECURRENT_CLIP)

_CAPTIONS = _recipes((30, 20, 60), (4e-3, 4e-3, 4e-3), gradient_clip=_RECURRENT_CLIP)
_STRINGS = _recipes((6, 6, 60), (4e-3, 4e-3, 4e-3), gradient_clip=_RECURRENT_CLIP)

# Once over all samples, each as it is: the read-out is fitted in closed form.
_FITTED = _recipes((1, 1, 1), (0.0, 0.0, 0.0), batch_size=500, warmup=0.0, shift=0, distillation=0.0)
_UNUSUAL = _recipes((12, 12, 20), (2e-3, 2e-3, 2e-3))
_HIGHWAY_CNN = _recipes((12, 12, 20), (2e-3, 2e-3, 3e-3))
_DEEP_PLAIN = _recipes((20, 20, 20), (2e-3, 2e-3, 2e-3))
_PARNET = _recipes((8, 8, 12), (2e-3, 2e-3, 2e-3))
_RANDOMLY_WIRED = _recipes((6, 6, 12), (2e-3, 2e-3, 2e-3))

# Over words and characters, which take fewer passes than frames do. Embeddings hold most of the weights.
_TEXT = _recipes((10, 10, 15), (2e-3, 2e-3, 3e-3), gradient_clip=_RECURRENT_CLIP, embeddings="binary")
_TEXT["full"] = replace(_TEXT["full"], embeddings=None)

# Over long lines gains of 1 lose what the full network knows: bwn began worse than chance and xnor did not learn. What
# the full network answers is learnt as it is, for what counts is how likely the right token is.
_LANGUAGE = _recipes(
    (10, 4, 15), (2e-3, 4e-3, 6e-3), gradient_clip=_RECURRENT_CLIP, embeddings="binary", fitted_gains=True,
    temperature=1.0,
)  # fmt: skip
_LANGUAGE["full"] = _TEXT["full"]
# Over so many words binary weights and activations at once are learnt worse than one after the other.
_PRONOUNCER = _recipes(
    (10, 5, 18), (2e-3, 2e-3, 2e-3), gradient_clip=_RECURRENT_CLIP, embeddings="binary", fitted_gains=True,
    temperature=1.0,
)  # fmt: skip
_PRONOUNCER["xnor"] = replace(_PRONOUNCER["xnor"], float_weights=0.45, second_rate=0.5)
_PRONOUNCER["full"] = _TEXT["full"]
_TRANSLATOR = {scheme: replace(_PRONOUNCER[scheme], epochs=epochs) for scheme, epochs in (("bwn", 6), ("xnor", 14))}
_TRANSLATOR["full"] = _TEXT["full"]

# Few texts, learnt in few passes: more of them are learnt by heart. Word dropout makes as many more words unknown as
# new texts have: 3.3 % of those of SMS spam's training split, where a tenth left out has 3.2 % more than the rest.
_SHORT_TEXT = _recipes(
    (6, 8, 8), (4e-3, 4e-3, 4e-3), gradient_clip=_RECURRENT_CLIP, embeddings="binary", word_dropout=1.0
)
_SHORT_TEXT["full"] = replace(_SHORT_TEXT["full"], embeddings=None, weight_decay=0.05)

_SHARED = (
    (_BASIC, "resnet18 resnet34 reactnet_a"),
    (_SMALL, "resnet20 resnet32 resnet44 resnet56 resnet110 vgg_small nin"),
    (_DEEP, "resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext50_mixed googlenet"),
    (_DEEP, "densenet121 densenet161 densenet169 densenet201"),
    (_LARGE_CLASSIFIER, "vgg11 vgg13 vgg16 vgg19"),
    (_PLAIN, "vgg11_plain vgg13_plain vgg16_plain vgg19_plain alexnet"),
    (_CONVNEXT, "convnext_tiny"),
    (_LENET, "lenet5"),
    (_ELMAN, "elman"),
    (_GATED, "lstm gru frame_classifier frame_labeller"),
    (_CAPTIONS, "captioner"),
    (_STRINGS, "string_reader"),
    (_SHORT_TEXT, "text_classifier"),
    (_TEXT, "token_labeller"),
    (_LANGUAGE, "language_model"),
    (_PRONOUNCER, "pronouncer"),
    (_TRANSLATOR, "translator"),
    (_UNUSUAL, "highway_mlp diracnet deep_resnet"),
    (_HIGHWAY_CNN, "highway_cnn"),
    (_DEEP_PLAIN, "deep_plain_cnn"),
    (_PARNET, "parnet"),
    (_RANDOMLY_WIRED, "randomly_wired"),
    (_FITTED, "random_cnn elm esn"),
)
# By model ("" for the user's own), then by scheme.
_DEFAULT = {"": _OWN} | {name: recipes for recipes, names in _SHARED for name in names.split()}
_THOROUGH_FACTOR = 4
_XNOR_NET = {
    "estimator": "ste", "weight_estimator": "ste", "scale": "mean", "threshold": False, "activation_scale": True,
    "ends": "fp32", "distillation": 0.0, "from_full": False, "float_weights": 0.0,
}  # fmt: skip
"""What tells the plain method of Rastegari et al. 2016 (XNOR-Net, arXiv:1603.05279) from ours: each network learns from
the classes alone, from weights of its own, sign() has no thresholds and the gradient of a clipped identity, and the
activations have their scales K."""


def _default(recipe: Recipe, full: Recipe) -> Recipe:
    return recipe


def _thorough(recipe: Recipe, full: Recipe) -> Recipe:
    return replace(recipe, epochs=recipe.epochs * _THOROUGH_FACTOR)


def _xnor_net(recipe: Recipe, full: Recipe) -> Recipe:
    if recipe is full:
        return full
    # What starts from nothing takes at least as long as the full network does.
    return replace(recipe, **_XNOR_NET, epochs=max(recipe.epochs, full.epochs))  # type: ignore[arg-type]


_RECIPES = {"default": _default, "thorough": _thorough, "xnor-net": _xnor_net}
"""What each recipe makes of the default one of a scheme, beside that of the full network."""


def list_recipes() -> list[str]:
    """Names that `get_recipe` knows: "default", "thorough" with four times the epochs, and "xnor-net", the plain method
    of that paper."""
    return list(_RECIPES)


def get_recipe(name: str, model: str, scheme: str, task: str = IMAGES) -> Recipe:
    """The recipe of that name for a model of the registry (or any other name, for your own) in a scheme.

    `task` is that of your own network: the gradients of one that reads sequences are clipped.
    Raises EdgenetError for a name that is not known.
    """
    if name not in _RECIPES:
        raise EdgenetError(f"unknown recipe {name!r}: use one of {', '.join(_RECIPES)}")
    recipes = _DEFAULT.get(model, _DEFAULT[""])
    recipe = _RECIPES[name](recipes[scheme], recipes["full"])
    return replace(recipe, gradient_clip=_RECURRENT_CLIP) if model not in _DEFAULT and task == SEQUENCES else recipe


def choose_recipe(recipe: Recipes, epochs: int | None, model: str, scheme: str, task: str) -> Recipe:
    """The recipe that an argument of `train` means for a scheme, with other epochs if given.

    Raises EdgenetError for a name that is not known, or fewer than 0 epochs.
    """
    if isinstance(recipe, Mapping):
        chosen = recipe[scheme] if scheme in recipe else get_recipe("default", model, scheme, task)
    else:
        chosen = recipe if isinstance(recipe, Recipe) else get_recipe(recipe, model, scheme, task)
    if epochs is not None and epochs < 0:
        raise EdgenetError(f"the number of epochs is {epochs}: use 0 or more")
    return chosen if epochs is None else replace(chosen, epochs=epochs)
