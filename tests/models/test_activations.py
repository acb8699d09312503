"""Activations by their formulas, and initial weights by their spread."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coterie.models.activations import ACTIVATIONS, INITIALISATIONS, LeakyReLU, initialise

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: x.clamp_min(0),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "elu": lambda x: torch.where(x > 0, x, x.exp() - 1),
    "selu": F.selu,
    "gelu": lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5)),
    "silu": lambda x: x / (1 + (-x).exp()),
    "softplus": lambda x: (1 + x.exp()).log(),
    "tanh": torch.tanh,
    "gelu_tanh": lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
    "step": lambda x: torch.heaviside(x, torch.zeros_like(x)),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
}


def test_activations_are_what_they_are_called() -> None:
    x = torch.linspace(-4, 4, 33, dtype=torch.float64)
    assert set(FUNCTIONS) == set(ACTIVATIONS)
    for name, function in FUNCTIONS.items():
        torch.testing.assert_close(ACTIVATIONS[name]()(x), function(x))


def test_the_slope_of_a_leaky_rectifier() -> None:
    x = torch.tensor([-2.0, 3.0], requires_grad=True)
    out = LeakyReLU(0.25)(x)
    assert out.tolist() == [-0.5, 3.0]
    assert torch.autograd.grad(out.sum(), x)[0].tolist() == [0.25, 1.0]


@pytest.mark.parametrize("how", INITIALISATIONS)
def test_initial_weights(how: str) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(400, 300)
    initialise(layer, how, "relu")
    assert not layer.bias.any()
    spread = {"auto": (2 / 400) ** 0.5, "he": (2 / 400) ** 0.5, "xavier": (2 / 700) ** 0.5, "normal": 0.01}
    if how == "zeros":
        assert not layer.weight.any()
    elif how == "orthogonal":
        torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(300), rtol=1e-4, atol=1e-5)
    else:
        assert layer.weight.std().item() == pytest.approx(spread[how], rel=0.02)
