import pytest

from edgenet.cli.binarize import binarize
from edgenet.errors import EdgenetError
from edgenet.models import list_models
from edgenet.training.recipes import _DEFAULT, Recipe, get_recipe, list_recipes

FITTED = ("random_cnn", "elm", "esn")
"""In closed form, without steps."""
NAMES = [entry.name for entry in list_models()]


def test_every_network_of_the_registry_has_a_recipe_and_every_recipe_a_network():
    assert sorted(_DEFAULT) == sorted(["", *NAMES])


@pytest.mark.parametrize("scheme", ["full", "bwn", "xnor"])
@pytest.mark.parametrize("name", NAMES)
def test_thorough_is_the_default_with_four_times_the_epochs(name, scheme):
    default, thorough = (get_recipe(recipe, name, scheme) for recipe in ("default", "thorough"))
    assert default.epochs > 0
    assert 0 <= default.learning_rate < 0.1
    assert (default.learning_rate == 0) == (name in FITTED)
    assert thorough.as_dict() == default.as_dict() | {"epochs": 4 * default.epochs}


@pytest.mark.parametrize(
    ("epochs", "share", "found"), [(10, 0.0, 0), (10, 0.45, 4), (1, 0.45, 0), (2, 0.9, 1), (0, 0.5, 0)]
)
def test_some_epochs_have_float_weights_but_not_the_last(epochs, share, found):
    assert Recipe(epochs, 0.1, float_weights=share).float_weight_epochs == found


def test_two_steps_cannot_be_stopped_early():
    with pytest.raises(EdgenetError, match="cannot have patience"):
        Recipe(10, 0.1, float_weights=0.5, patience=2)


@pytest.mark.parametrize("name", ["", "resnet18", "lstm"])
def test_xnor_net_is_the_plain_method_of_the_paper_beside_the_same_full_network(name):
    assert get_recipe("xnor-net", name, "full") == get_recipe("default", name, "full")
    for scheme in ("bwn", "xnor"):
        recipe = get_recipe("xnor-net", name, scheme)
        assert (recipe.estimator, recipe.scale, recipe.ends) == ("ste", "mean", "fp32")
        assert recipe.activation_scale
        assert not recipe.threshold
        assert not recipe.needs_full
        assert recipe.epochs >= get_recipe("default", name, "full").epochs


def test_every_recipe_is_in_the_help_of_binarize():
    option = next(option for option in binarize.params if option.name == "recipe")
    assert all(recipe in option.help for recipe in list_recipes())
