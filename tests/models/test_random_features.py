import pytest
import torch

from edgenet.errors import EdgenetError
from edgenet.models import create
from edgenet.models.fitted import FittedNetwork, RidgeRegression
from edgenet.nn import FrozenLayer, pack_bits
from edgenet.nn.frozen import spectral_radius

NAMES = ("elm", "random_cnn", "esn")
SMALL = {"elm": {"hidden_size": 40}, "random_cnn": {"widths": (4, 8, 8)}, "esn": {"hidden_size": 20}}


def samples(model, count=60):
    return torch.randn(count, *model.input_shape), torch.arange(count) % 10


def test_ridge_regression_solves_the_normal_equations():
    h, y, ridge = torch.randn(50, 6, dtype=torch.float64), torch.randn(50, 3, dtype=torch.float64), 0.3
    regression = RidgeRegression(ridge)
    for part in (slice(0, 20), slice(20, 50)):
        regression.add(h[part], y[part])
    weight, bias = regression.fit()
    # With a column of ones for the bias, which is not penalised: (H^T H + 50 ridge D) [W; b] = H^T Y.
    ones = torch.cat([h, torch.ones(50, 1, dtype=torch.float64)], 1)
    penalty = 50 * ridge * torch.diag(torch.tensor([1.0] * 6 + [0.0], dtype=torch.float64))
    expected = torch.linalg.solve(ones.t() @ ones + penalty, ones.t() @ y)
    torch.testing.assert_close(weight, expected[:6].t())
    torch.testing.assert_close(bias, expected[6])


def test_the_scale_of_a_binary_read_out_is_the_best_one_for_its_signs():
    h, y = torch.randn(50, 6), torch.randn(50, 2)
    regression = RidgeRegression(0.0)
    regression.add(h, y)
    signs = torch.randint(2, (2, 6)) * 2.0 - 1
    scale, bias = regression.fit_scale(signs)
    for output in range(2):
        line = torch.stack([(h @ signs[output]).double(), torch.ones(50, dtype=torch.float64)], 1)
        best = torch.linalg.lstsq(line, y[:, output : output + 1].double()).solution.flatten()
        torch.testing.assert_close(torch.stack([scale[output], bias[output]]), best)


@pytest.mark.parametrize("scheme", ["full", "bwn", "xnor"])
@pytest.mark.parametrize("name", NAMES)
def test_the_read_out_is_fitted_to_the_classes_whatever_the_batches(name, scheme):
    model = create(name, scheme=scheme, ends="fp32", **SMALL[name])
    assert isinstance(model, FittedNetwork)
    x, classes = samples(model)
    assert model.fit([(x, classes)]) == 60
    torch.testing.assert_close(*(normal_equations(model, x, classes)), rtol=1e-3, atol=1e-5)
    weight = model.fc.weight.clone()
    model.fit([(x[:60], classes[:60])] * 2)
    torch.testing.assert_close(model.fc.weight, weight, rtol=1e-3, atol=1e-5)


def normal_equations(model, x, classes):
    """Both sides of them: what the read-out is to be multiplied with, and what is to come out."""
    with torch.no_grad():
        h = model.eval().features(x).double()
    h, y = h - h.mean(0), torch.nn.functional.one_hot(classes, 10).double()
    weight = model.fc.weight.detach().double()
    return weight @ (h.t() @ h / 60 + model.ridge * torch.eye(h.shape[1])), (y - y.mean(0)).t() @ h / 60


@pytest.mark.parametrize("ends", ["int8", "binary"])
def test_a_read_out_of_fewer_bits_still_tells_the_classes_apart(ends):
    model = create("elm", 2, "bwn", ends=ends, hidden_size=100)
    classes = torch.arange(80) % 2
    x = torch.randn(80, 1, 32, 32) + (classes * 0.5).view(-1, 1, 1, 1)
    model.fit([(x, classes)])
    with torch.no_grad():
        assert (model.eval()(x).argmax(1) == classes).float().mean() > 0.9


def test_without_a_batch_there_is_nothing_to_fit():
    with pytest.raises(EdgenetError, match="give at least one batch"):
        create("elm", hidden_size=8).fit([])


@pytest.mark.parametrize("scheme", ["full", "bwn", "xnor"])
@pytest.mark.parametrize("name", NAMES)
def test_frozen_weights_are_signs_and_stay_what_they_are(name, scheme):
    model = create(name, scheme=scheme, **SMALL[name])
    layers = [module for module in model.modules() if isinstance(module, FrozenLayer)]
    before = [layer.weight.clone() for layer in layers]
    x, classes = samples(model)
    model.fit([(x, classes)])
    assert layers
    for layer, weight in zip(layers, before, strict=True):
        assert torch.equal(layer.weight, weight)
        assert torch.equal(weight.abs(), torch.ones_like(weight))
        assert not any(parameter is layer.weight for parameter in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_state_dict_holds_frozen_weights_as_bits_and_brings_them_back(name):
    model, other = (create(name, **SMALL[name]) for _ in range(2))
    state = model.state_dict()
    for layer_name, layer in model.named_modules():
        if isinstance(layer, FrozenLayer):
            assert f"{layer_name}.weight" not in state
            assert torch.equal(state[f"{layer_name}.packed_weight"], torch.from_numpy(pack_bits(layer.weight.numpy())))
    x, _ = samples(model, 3)
    other.load_state_dict(state)
    torch.testing.assert_close(other.eval()(x), model.eval()(x))


@pytest.mark.parametrize(("scheme", "radius"), [("full", 0.95), ("bwn", 0.95), ("xnor", 0.25)])
def test_the_reservoir_has_its_spectral_radius_also_with_the_signs_of_another(scheme, radius):
    full = create("esn", hidden_size=30)
    for weights in (None, full.state_dict()):
        hidden = create("esn", scheme=scheme, weights=weights, hidden_size=30).rnn.layers[0].hidden
        assert spectral_radius(hidden.scaled_weight()) == pytest.approx(radius, rel=1e-4)
    assert torch.equal(hidden.weight, full.rnn.layers[0].hidden.weight)


def test_the_reservoir_forgets_the_state_that_it_began_with():
    model = create("esn", hidden_size=30).eval()
    x = torch.randn(1, 300, 28)
    _, one = model(x, torch.zeros(1, 1, 30))
    _, other = model(x, torch.randn(1, 1, 30))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-3)


def test_a_sequence_read_in_two_parts_ends_in_the_state_of_the_whole():
    model = create("esn", hidden_size=30).eval()
    x = torch.randn(2, 20, 28)
    _, whole = model(x)
    _, half = model(x[:, :9])
    _, rest = model(x[:, 9:], half)
    torch.testing.assert_close(rest, whole)


def test_the_first_moment_is_the_mean_state():
    model = create("esn", hidden_size=30, moments=2).eval()
    x = torch.randn(2, 11, 28)
    torch.testing.assert_close(model.features(x)[:, :30], model.rnn(x)[0].mean(1))


def test_the_spectral_radius_of_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(EdgenetError, match="that of a square matrix"):
        spectral_radius(torch.zeros(2, 3))
