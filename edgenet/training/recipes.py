"""How each scheme is trained: one dataclass, one table."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from edgenet.errors import EdgenetError
from edgenet.tasks.dataset import IMAGES, SEQUENCES


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how one network is trained, but for seed and data.

    The optimizer is AdamW; weight decay is for float weights only, never for latent ones, whose size means nothing. The
    learning rate rises for the share `warmup` of all steps and falls to 0 along half a cosine. `distillation` is the
    share of the teacher in the loss, `temperature` softens its answers (Hinton et al. 2015, arXiv:1503.02531).
    """

    epochs: int
    learning_rate: float
    batch_size: int = 64
    weight_decay: float = 0.0
    warmup: float = 0.1
    shift: int = 2  # images are moved by up to this many pixels, at random
    gradient_clip: float = 0.0  # largest norm of all gradients; 0: none
    distillation: float = 0.7
    temperature: float = 4.0
    estimator: str = "approx_sign"
    weight_estimator: str = "ste"
    scale: str = "mean"

    def binary_options(self) -> dict[str, Any]:
        """What of it `edgenet.nn.binarize` takes."""
        return {"estimator": self.estimator, "weight_estimator": self.weight_estimator, "scale": self.scale}

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_RECURRENT_CLIP = 1.0  # gradients through many steps can explode

_GATED = {
    "full": Recipe(12, 4e-3, gradient_clip=_RECURRENT_CLIP),
    "bwn": Recipe(12, 4e-3, gradient_clip=_RECURRENT_CLIP),
    "xnor": Recipe(16, 4e-3, gradient_clip=_RECURRENT_CLIP),
}

# By model ("" for the user's own), then by scheme.
_DEFAULT: dict[str, dict[str, Recipe]] = {
    "": {"full": Recipe(12, 2e-3), "bwn": Recipe(12, 1e-3), "xnor": Recipe(20, 2e-3)},
    "resnet18": {"full": Recipe(6, 2e-3), "bwn": Recipe(4, 1e-3), "xnor": Recipe(9, 2e-3)},
    "resnet50": {"full": Recipe(6, 1e-3), "bwn": Recipe(4, 1e-3), "xnor": Recipe(9, 2e-3)},
    "vgg16": {"full": Recipe(6, 1e-4), "bwn": Recipe(4, 1e-4), "xnor": Recipe(9, 5e-4)},
    "lenet5": {"full": Recipe(12, 4e-3), "bwn": Recipe(12, 4e-3), "xnor": Recipe(25, 5e-3)},
    "elman": {
        "full": Recipe(20, 2e-3, gradient_clip=_RECURRENT_CLIP),
        "bwn": Recipe(30, 4e-3, gradient_clip=_RECURRENT_CLIP),
        "xnor": Recipe(30, 4e-3, gradient_clip=_RECURRENT_CLIP),
    },
    "lstm": _GATED,
    "gru": _GATED,
}
_THOROUGH_FACTOR = 4
_RECIPES = ("default", "thorough")


def list_recipes() -> list[str]:
    """Names that `get_recipe` knows: "default", and "thorough" with four times the epochs."""
    return list(_RECIPES)


def get_recipe(name: str, model: str, scheme: str, task: str = IMAGES) -> Recipe:
    """The recipe of that name for a model of the registry (or any other name, for your own) in a scheme.

    `task` is that of your own network: the gradients of one that reads sequences are clipped.
    Raises EdgenetError for a name that is not known.
    """
    if name not in _RECIPES:
        raise EdgenetError(f"unknown recipe {name!r}: use one of {', '.join(_RECIPES)}")
    recipe = _DEFAULT.get(model, _DEFAULT[""])[scheme]
    if model not in _DEFAULT and task == SEQUENCES:
        recipe = replace(recipe, gradient_clip=_RECURRENT_CLIP)
    return recipe if name == "default" else replace(recipe, epochs=recipe.epochs * _THOROUGH_FACTOR)
