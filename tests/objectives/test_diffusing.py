"""The formulas of diffusion against the definitions that they follow from."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from coterie.objectives import diffusing


def by_step(schedule: str, steps: int) -> list[tuple[float, float]]:
    """(ᾱ_t, ᾱ_{t−1}) from the last step to the first."""
    left = [1.0, *diffusing.shares(schedule, steps)]
    return [(left[t], left[t - 1]) for t in range(steps, 0, -1)]


def exact_guess(x: Tensor, share: float, mean: float | Tensor, variance: float | Tensor) -> Tensor:
    """The expected noise in x_t where rows are normal: by regression of ε on x_t."""
    total = share * variance + 1 - share
    return (x - math.sqrt(share) * mean) * math.sqrt(1 - share) / total


def test_linear_schedule_is_the_papers() -> None:
    left = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    np.testing.assert_allclose(diffusing.shares("linear", 1000), left, rtol=1e-9)


def test_cosine_schedule_is_the_papers_but_for_its_end() -> None:
    t = np.arange(0, 501) / 500
    f = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(diffusing.shares("cosine", 500)[:-1], (f / f[0])[1:-1], rtol=1e-9)
    assert diffusing.shares("cosine", 500)[-1] > 0


@pytest.mark.parametrize("schedule", diffusing.SCHEDULES)
@pytest.mark.parametrize("steps", [2, 50, 1000])
def test_schedules_fall_from_nearly_all_to_nearly_nothing(schedule: str, steps: int) -> None:
    shares = diffusing.shares(schedule, steps)
    assert len(shares) == steps
    assert all(1 > before > after > 0 for before, after in pairwise(shares))
    assert shares[-1] < 1e-3
    assert steps < 50 or shares[0] > 0.99


def test_noised_keeps_the_variance() -> None:
    x, noise = torch.eye(2, dtype=torch.float64)
    made = diffusing.noised(x, noise, torch.tensor([[0.3]], dtype=torch.float64))
    torch.testing.assert_close(made, torch.tensor([[0.3**0.5, 0.7**0.5]], dtype=torch.float64))


@pytest.mark.parametrize(("share", "next_share"), [(0.2, 0.7), (0.001, 0.5), (0.95, 0.99)])
def test_ddpm_step_is_bayes_rule(share: float, next_share: float) -> None:
    """q(x_s | x_t, x₀) ∝ q(x_t | x_s)·q(x_s | x₀), both normal: precisions add."""
    x, row, kept = 0.4, -1.3, share / next_share
    forward, prior = kept / (1 - kept), 1 / (1 - next_share)
    precision = forward + prior
    mean = (forward * x / math.sqrt(kept) + prior * math.sqrt(next_share) * row) / precision
    for noise in (0.0, 1.7):
        made = diffusing.ddpm_step(
            *(torch.tensor([[v]], dtype=torch.float64) for v in (x, row)), share, next_share,
            torch.tensor([[noise]], dtype=torch.float64),
        )  # fmt: skip
        assert made.item() == pytest.approx(mean + noise / math.sqrt(precision), rel=1e-9)


def test_last_step_draws_nothing() -> None:
    x, row, noise = torch.randn(3, 4, 2, dtype=torch.float64).unbind(0)
    torch.testing.assert_close(diffusing.ddpm_step(x, row, 0.9, 1.0, noise), row)
    torch.testing.assert_close(diffusing.ddim_step(x, row, 0.9, 1.0), row)


def test_ddim_step_keeps_the_noise() -> None:
    row, noise = torch.randn(2, 4, 3, dtype=torch.float64).unbind(0)
    x = diffusing.noised(row, noise, 0.1)
    torch.testing.assert_close(diffusing.clean(x, noise, 0.1), row)
    torch.testing.assert_close(diffusing.ddim_step(x, row, 0.1, 0.6), diffusing.noised(row, noise, 0.6))


@pytest.mark.parametrize("schedule", diffusing.SCHEDULES)
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_with_the_exact_guess_normal_rows_come_back(schedule: str, sampler: str) -> None:
    """All is affine, so mean and variance follow exactly from three points and the noise of a step."""
    mean, variance = 0.7, 0.25
    at, spread = 0.0, 1.0  # of x_T
    for share, next_share in by_step(schedule, 1000):
        x = torch.tensor([[0.0], [1.0], [0.0]], dtype=torch.float64)
        row = diffusing.clean(x, exact_guess(x, share, mean, variance), share)
        noise = torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)
        made = (
            diffusing.ddpm_step(x, row, share, next_share, noise)
            if sampler == "ddpm"
            else diffusing.ddim_step(x, row, share, next_share)
        ).flatten()
        start, slope, drawn = made[0].item(), (made[1] - made[0]).item(), (made[2] - made[0]).item()
        at, spread = start + slope * at, slope**2 * spread + drawn**2
    assert at == pytest.approx(mean, abs=0.01)
    assert spread == pytest.approx(variance, rel=0.02)


def test_times_are_all_met_and_evenly_spread() -> None:
    for start in torch.linspace(0.01, 0.99, 7):
        times = diffusing.spread_times(start, 200, 10)
        for first in (20, 55, 200):  # padding may take the rest
            counts = torch.bincount(times[:first], minlength=10)
            assert (counts - first / 10).abs().max() <= 3
    every = torch.stack([diffusing.spread_times(s, 1, 10) for s in (torch.arange(1000) + 0.5) / 1000])
    assert torch.bincount(every.flatten(), minlength=10).tolist() == [100] * 10


def test_stops_go_from_noise_alone_to_none() -> None:
    assert diffusing.stops(diffusing.shares("cosine", 10), 3) == (10, 5, 2, 0)
    assert diffusing.stops(diffusing.shares("cosine", 4), 50) == (4, 3, 2, 1, 0)
    for schedule in diffusing.SCHEDULES:
        for steps, sampled in ((1000, 7), (50, 50), (51, 50), (2, 1), (500, 120)):
            shares = diffusing.shares(schedule, steps)
            stops = diffusing.stops(shares, sampled)
            assert (stops[-1], len(stops)) == (0, sampled + 1)
            assert shares[stops[0] - 1] < diffusing.DROWNED
            assert all(before > after for before, after in pairwise(stops))


def test_guidance_goes_beyond_the_class() -> None:
    given, free = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 2.0]])
    assert diffusing.guided(given, free, torch.tensor(0.0)).tolist() == [[1.0, 2.0]]
    assert diffusing.guided(given, free, torch.tensor(2.0)).tolist() == [[3.0, 2.0]]


def test_error_is_per_row() -> None:
    noise = torch.tensor([[1.0, 1.0], [0.0, 3.0]])
    assert diffusing.noise_error(noise, torch.zeros(2, 2)).tolist() == [1.0, 4.5]


def test_plain_error_is_that_of_the_best_guess_of_normal_numbers() -> None:
    """By drawing noise: regression of ε on x_t, a number at a time."""
    g = torch.Generator().manual_seed(0)
    mean, deviation = torch.tensor([0.5, -1.0]).double(), torch.tensor([2.0, 0.3]).double()
    x = torch.tensor([[1.0, 1.0], [-3.0, -1.2]], dtype=torch.float64)
    noise = torch.randn(100_000, 1, 2, dtype=torch.float64, generator=g)
    found = torch.zeros(2, dtype=torch.float64)
    for share in diffusing.JUDGED:
        guess = exact_guess(diffusing.noised(x, noise, share), share, mean, deviation**2)
        found += (noise - guess).square().mean(-1).mean(0) / len(diffusing.JUDGED)
    torch.testing.assert_close(diffusing.plain_error(x, mean, deviation), found, rtol=0.02, atol=0)


def test_looking_ahead_is_exact_where_guesses_change_evenly() -> None:
    """Evenly in ½·ln ᾱ/(1−ᾱ): then the mean over the next stride is the guess at its middle."""
    shares = (0.01, 0.3, 0.8)
    before, now, after = (math.log(share / (1 - share)) / 2 for share in shares)

    def guess(at: float) -> Tensor:
        return torch.tensor([[2.0 - 3.0 * at]], dtype=torch.float64)

    ahead = diffusing.extrapolated(guess(now), guess(before), shares)
    torch.testing.assert_close(ahead, guess((now + after) / 2))


@pytest.mark.parametrize("schedule", diffusing.SCHEDULES)
def test_ddim_starts_as_much_wider_as_its_strides_take(schedule: str) -> None:
    shares = diffusing.shares(schedule, 500)
    left = [(1.0, *shares)[stop] for stop in diffusing.stops(shares, 20)]
    start = diffusing.ddim_start(left)
    x = torch.full((1, 1), start, dtype=torch.float64)
    for share, next_share in pairwise(left):  # rows that are noise themselves, of which E x₀ = √ᾱ·x
        x = diffusing.ddim_step(x, math.sqrt(share) * x, share, next_share)
    assert x.item() == pytest.approx(1, rel=1e-9)
    assert 1.03 < start < diffusing.WIDEST
    assert 1 < diffusing.ddim_start((*shares[::-1], 1.0)) < 1.01
    assert diffusing.ddim_start((shares[-1], 1.0)) == diffusing.WIDEST


def test_looking_ahead_needs_fewer_strides() -> None:
    """Rows that are noise themselves should come back as they are: x_s = x_t."""
    shares = diffusing.shares("cosine", 500)
    left = [(1.0, *shares)[stop] for stop in diffusing.stops(shares, 20)]
    one = torch.ones(1, 1, dtype=torch.float64)
    plain, ahead, earlier = one, one, one
    for i, (share, next_share) in enumerate(pairwise(left)):
        plain = diffusing.ddim_step(plain, math.sqrt(share) * plain, share, next_share)
        row = math.sqrt(share) * ahead
        between = 0 < i < len(left) - 2
        guess = diffusing.extrapolated(row, earlier, (left[i - 1], share, next_share)) if between else row
        ahead, earlier = diffusing.ddim_step(ahead, guess, share, next_share), row
    assert 0.05 < 1 - plain.item() < 0.1
    assert abs(1 - ahead.item()) < 0.02
