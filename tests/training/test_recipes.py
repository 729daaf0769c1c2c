import pytest

from edgenet.models import list_models
from edgenet.training.recipes import _DEFAULT, get_recipe

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
