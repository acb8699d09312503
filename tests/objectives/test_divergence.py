"""The formulas of Boltzmann machines against sums over every state."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from coterie.objectives import divergence

F64 = torch.float64


def machine(visible: int, hidden: int, seed: int = 0, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    shapes = ((hidden, visible), (visible,), (hidden,))
    weight, below, above = (scale * torch.randn(s, generator=g, dtype=F64) for s in shapes)
    return weight, below, above


def states(units: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=F64)


def energies(weight: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
    """(states of v, states of h), by the definition."""
    v, h = states(len(visible)), states(len(hidden))
    return -(v @ visible)[:, None] - (h @ hidden) - v @ weight.T @ h.T


@pytest.mark.parametrize(("visible", "hidden"), [(3, 5), (5, 3), (1, 4), (4, 4), (12, 2), (11, 12)])
def test_free_energy_and_partition_are_the_sums_that_they_stand_for(visible: int, hidden: int) -> None:
    given = machine(visible, hidden)
    energy = energies(*given)
    free = divergence.free_energy(states(visible), *given)
    torch.testing.assert_close(free, -(-energy).logsumexp(1), rtol=1e-12, atol=1e-12)
    log_z = divergence.log_partition(*given)
    assert log_z.shape == ()
    torch.testing.assert_close(log_z, (-energy).flatten().logsumexp(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close((-free - log_z).exp().sum(), torch.ones((), dtype=F64))


def test_conditionals_are_those_of_the_joint() -> None:
    weight, visible, hidden = machine(4, 3)
    joint = torch.softmax(-energies(weight, visible, hidden).flatten(), 0).view(16, 8)
    above = (joint @ states(3)) / joint.sum(1, keepdim=True)
    below = (joint.T @ states(4)) / joint.T.sum(1, keepdim=True)
    torch.testing.assert_close(divergence.hidden_probability(states(4), weight, hidden), above)
    torch.testing.assert_close(divergence.visible_probability(states(3), weight, visible), below)


def test_conditional_likelihood_of_each_unit() -> None:
    given = machine(4, 3)
    v = states(4)
    p = (-divergence.free_energy(v, *given)).softmax(0)
    for unit in range(4):
        flipped = v.clone()
        flipped[:, unit] = 1 - v[:, unit]
        place = (flipped @ torch.tensor([8.0, 4, 2, 1], dtype=F64)).long()
        wanted = (p / (p + p[place])).log()
        found = divergence.conditional_likelihood(v, torch.full((16,), unit), *given)
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_the_gradient_of_free_energy_is_the_statistic(scale: float) -> None:
    weight, visible, hidden = (t.requires_grad_() for t in machine(6, 4, scale=scale))
    v = torch.rand(7, 6, generator=torch.Generator().manual_seed(1), dtype=F64)
    found = torch.autograd.grad(
        divergence.free_energy(v, weight, visible, hidden).sum(), [weight, visible, hidden]
    )
    above = torch.sigmoid(v @ weight.T + hidden).detach()
    for gradient, statistic in zip(found, (above.T @ v, v.sum(0), above.sum(0)), strict=True):
        torch.testing.assert_close(gradient, -statistic, rtol=1e-13, atol=1e-13)


def test_large_numbers_stay_finite() -> None:
    given = tuple(t.float() for t in machine(5, 5, scale=300.0))
    assert divergence.log_partition(*given).isfinite()
    units = torch.zeros(32, dtype=torch.int64)
    assert divergence.conditional_likelihood(states(5).float(), units, *given).isfinite().all()


def test_coins_fall_as_often_as_said() -> None:
    uniform = torch.linspace(0.0005, 0.9995, 1000)
    for p in (0.0, 0.3, 1.0):
        coins = divergence.tossed(torch.full((1000,), p), uniform)
        assert coins.mean().item() == pytest.approx(p, abs=1e-3)
        assert set(coins.tolist()) <= {0.0, 1.0}
