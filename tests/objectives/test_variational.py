"""Likelihoods, divergences and sparsity penalties against PyTorch's own distributions, and by hand."""

from __future__ import annotations

import math

import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from coterie.objectives.variational import (
    absolute_activity,
    activity_divergence,
    bernoulli_log_likelihood,
    gaussian_divergence,
    gaussian_log_likelihood,
    mean_activity,
    warm_up,
)

F64 = torch.float64


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def test_gaussian_log_likelihood_is_that_of_independent_normal_numbers() -> None:
    x, mean, log_deviation = randn(5, 7), randn(5, 7, seed=1), randn(7, seed=2)
    expected = Normal(mean, log_deviation.exp()).log_prob(x).sum(1)
    torch.testing.assert_close(gaussian_log_likelihood(x, mean, log_deviation), expected)
    shared = torch.tensor(-0.7, dtype=F64)  # one deviation counts once for every number
    expected = Normal(mean, shared.exp()).log_prob(x).sum(1)
    torch.testing.assert_close(gaussian_log_likelihood(x, mean, shared), expected)


def test_bernoulli_log_likelihood_of_bits_and_of_greys() -> None:
    logits = 3 * randn(5, 7)
    bits = (randn(5, 7, seed=1) > 0).to(F64)
    expected = Bernoulli(logits=logits).log_prob(bits).sum(1)
    torch.testing.assert_close(bernoulli_log_likelihood(bits, logits), expected)
    mixed = 0.25 * bernoulli_log_likelihood(torch.ones_like(bits), logits)
    mixed += 0.75 * bernoulli_log_likelihood(torch.zeros_like(bits), logits)
    torch.testing.assert_close(bernoulli_log_likelihood(torch.full_like(bits, 0.25), logits), mixed)
    far = torch.full((1, 1), -1000.0)
    assert bernoulli_log_likelihood(torch.zeros(1, 1), far).item() == 0
    assert bernoulli_log_likelihood(torch.ones(1, 1), far).item() == -1000


def test_gaussian_divergence_is_the_closed_form_and_0_for_the_standard_normal() -> None:
    mean, log_variance = randn(5, 3), randn(5, 3, seed=1)
    own, standard = Normal(mean, (0.5 * log_variance).exp()), Normal(torch.zeros_like(mean), 1.0)
    torch.testing.assert_close(gaussian_divergence(mean, log_variance), kl_divergence(own, standard).sum(1))
    assert gaussian_divergence(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [0, 0]


def test_warm_up_grows_evenly_and_stays() -> None:
    steps = torch.tensor(4.0)
    found = [warm_up(torch.tensor(float(step)), steps).item() for step in range(6)]
    assert found == [0.25, 0.5, 0.75, 1, 1, 1]
    assert warm_up(torch.tensor(0.0), torch.tensor(0.0)).item() == 1


def test_mean_activity_leaves_padding_out() -> None:
    activity = torch.tensor([[0.2, 0.4], [0.6, 0.0], [9.0, 9.0]])
    found = mean_activity(activity, torch.tensor([1.0, 1.0, 0.0]))
    torch.testing.assert_close(found, torch.tensor([0.4, 0.2]))
    assert mean_activity(activity, torch.zeros(3)).tolist() == [0, 0]  # a member that idles


def test_activity_divergence_is_that_of_coins_and_least_at_the_target() -> None:
    target, mean = torch.tensor(0.1, dtype=F64), torch.tensor([0.05, 0.5, 0.9], dtype=F64)
    expected = kl_divergence(Bernoulli(target.expand(3)), Bernoulli(mean)).mean()
    torch.testing.assert_close(activity_divergence(mean, target), expected)
    at_target = target.expand(3).clone().requires_grad_()
    found = activity_divergence(at_target, target)
    assert abs(found.item()) < 1e-12
    (slope,) = torch.autograd.grad(found, at_target)
    assert slope.abs().max() < 1e-12
    ends = activity_divergence(torch.tensor([0.0, 1.0], dtype=F64), target)
    assert math.isfinite(ends.item())
    assert ends > 2


def test_absolute_activity_is_the_mean_of_magnitudes() -> None:
    assert absolute_activity(torch.tensor([[1.0, -3.0], [0.0, 0.5]])).tolist() == [2.0, 0.25]
