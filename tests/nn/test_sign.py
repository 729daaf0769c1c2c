import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgenet.errors import EdgenetError
from edgenet.nn import ErrorDecay, Estimator, get_estimator, list_estimators, scaled_sign, set_progress, sign
from edgenet.nn.functional import stochastic_sign
from edgenet.nn.layers import BinaryLinear

POINTS = [-3.0, -1.0, -0.75, -0.0, 0.0, 0.25, 1.0, 1.5]


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def swish_sign_slope(x: float) -> float:
    """Numeric derivative of the forward formula in the paper."""

    def signswish(v: float) -> float:
        return 2 * logistic(5 * v) * (1 + 5 * v * (1 - logistic(5 * v))) - 1

    return (signswish(x + 1e-5) - signswish(x - 1e-5)) / 2e-5


FORMULAS = {
    "identity": lambda x: 1.0,
    "ste": lambda x: 1.0 if abs(x) <= 1 else 0.0,
    "approx_sign": lambda x: max(0.0, 2 - 2 * abs(x)),
    "swish_sign": swish_sign_slope,
    "error_decay": lambda x: 1 - math.tanh(0.1 * x) ** 2,
}


def gradient_of_sign(x: torch.Tensor, estimator: str | Estimator) -> torch.Tensor:
    x = x.clone().requires_grad_()
    sign(x, estimator).backward(torch.full_like(x, 3.0))
    assert x.grad is not None
    return x.grad / 3


def test_zero_of_either_sign_is_plus_one_and_nan_is_minus_one():
    x = torch.tensor([0.0, -0.0, 1e-45, -1e-45, math.inf, -math.inf, math.nan])
    assert sign(x).tolist() == [1, 1, 1, -1, 1, -1, -1]


def test_threshold_is_met_by_equal_values_and_minus_infinity_always():
    x = torch.tensor([[0.5, -2.0, -0.0]])
    threshold = torch.tensor([0.5, -math.inf, 0.0])
    assert sign(x, threshold=threshold).tolist() == [[1, 1, 1]]


def test_every_estimator_has_a_formula_here():
    assert sorted(FORMULAS) == sorted(list_estimators())


@pytest.mark.parametrize("name", list_estimators())
def test_gradient_is_the_stated_formula(name):
    expected = [FORMULAS[name](x) for x in POINTS]
    assert gradient_of_sign(torch.tensor(POINTS), name).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", list_estimators())
@given(st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=1, max_size=20))
def test_fast_backward_equals_gradient_times_incoming_and_is_finite(name, values):
    x = torch.tensor(values)
    estimator = get_estimator(name)
    backward = estimator.backward(torch.full_like(x, -0.5), x)
    assert torch.isfinite(backward).all()
    torch.testing.assert_close(backward, -0.5 * estimator.gradient(x))


def test_gradient_of_a_threshold_is_minus_the_sum_of_its_inputs_gradients():
    x = torch.randn(4, 3, 2, requires_grad=True)
    threshold = torch.randn(3, 1, requires_grad=True)
    sign(x, "approx_sign", threshold).sum().backward()
    expected = (2 - 2 * (x - threshold).abs()).clamp(min=0)
    torch.testing.assert_close(x.grad, expected)
    torch.testing.assert_close(threshold.grad, -expected.sum((0, 2)).unsqueeze(1))


@pytest.mark.parametrize("fused", [True, False])
def test_scaled_sign_has_the_gradient_of_scale_times_sign(fused):
    weight = torch.randn(3, 5, requires_grad=True)
    incoming = torch.randn(3, 5)
    scaled = scaled_sign(weight) if fused else scaled_sign(weight, weight.abs().mean(1))
    scaled.backward(incoming)
    signs = torch.where(weight >= 0, 1.0, -1.0)
    scale = weight.abs().mean(1, keepdim=True)
    torch.testing.assert_close(scaled, scale * signs)
    through_scale = signs / 5 * (incoming * signs).sum(1, keepdim=True)
    through_sign = incoming * scale * (weight.abs() <= 1)
    torch.testing.assert_close(weight.grad, through_scale + through_sign)


def test_an_output_of_zeros_has_a_gradient_that_is_no_nan():
    weight = torch.zeros(2, 3, requires_grad=True)
    scaled_sign(weight).sum().backward()
    assert torch.isfinite(weight.grad).all()


def test_own_estimators_are_taken_as_objects():
    class Half(Estimator):
        name = "half"

        def gradient(self, x):
            return torch.full_like(x, 0.5)

    assert gradient_of_sign(torch.tensor([1.0, 9.0]), Half()).tolist() == [0.5, 0.5]


def test_error_decay_sharpens_as_training_goes_on():
    layer = BinaryLinear(3, 2, estimator="error_decay")
    set_progress(layer, 1.0)
    assert isinstance(layer.estimator, ErrorDecay)
    assert gradient_of_sign(torch.tensor([0.0, 1.0]), layer.estimator).tolist() == pytest.approx([10, 0], abs=1e-6)


def test_unknown_estimator_is_refused_with_the_names_there_are():
    with pytest.raises(EdgenetError, match=r"unknown estimator 'sgn': use one of ste, approx_sign"):
        get_estimator("sgn")


def test_stochastic_signs_are_drawn_with_the_probability_of_the_hard_sigmoid():
    torch.manual_seed(0)
    x = torch.tensor([-1.5, -1.0, -0.5, 0.0, 0.6, 1.0, 2.0])
    drawn = torch.stack([stochastic_sign(x) for _ in range(4000)])
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    share = (drawn > 0).float().mean(0)
    torch.testing.assert_close(share, ((x + 1) / 2).clamp(0, 1), atol=0.03, rtol=0)
    assert (share[[0, -1]] == torch.tensor([0.0, 1.0])).all()
    shifted = torch.stack([stochastic_sign(x, threshold=torch.tensor(0.6)) for _ in range(4000)])
    torch.testing.assert_close((shifted > 0).float().mean(0), ((x + 0.4) / 2).clamp(0, 1), atol=0.03, rtol=0)


def test_stochastic_signs_have_the_gradients_of_those_that_are_not():
    x, threshold = torch.randn(3, 4), torch.randn(4)
    gradients = []
    for function in (sign, stochastic_sign):
        pair = x.clone().requires_grad_(), threshold.clone().requires_grad_()
        (function(pair[0], "approx_sign", pair[1]) * torch.arange(12).view(3, 4)).sum().backward()
        gradients.append([tensor.grad for tensor in pair])
    for first, second in zip(*gradients, strict=True):
        assert torch.equal(first, second)
