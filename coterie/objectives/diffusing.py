"""The formulas of diffusion: how a row is drowned in noise, and how it is brought back.

A schedule is the list of ᾱ₁ … ᾱ_T, the shares of a row's variance that are left after t steps: noised, it is
x_t = √ᾱ_t·x₀ + √(1−ᾱ_t)·ε, so that all of them have the variance that the data have, if that is 1. A
schedule is plain numbers, fixed before anything is trained; ᾱ₀ = 1.

B batch, D numbers of a row, T steps. A share ᾱ is a number, or (B, 1).

Ho, Jain & Abbeel, "Denoising diffusion probabilistic models", 2020; Song, Meng & Ermon, "Denoising diffusion
implicit models", 2021; Nichol & Dhariwal, "Improved denoising diffusion probabilistic models", 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

SCHEDULES = ("cosine", "linear")
SAMPLERS = ("ddpm", "ddim", "dpm")
WIDEST = 1.1  # deviation of the noise that ddim starts from
JUDGED = tuple(math.cos((level + 0.5) / 4 * math.pi / 2) ** 2 for level in range(4))  # ᾱ of noisy rows
GOLDEN = (math.sqrt(5) - 1) / 2
DROWNED = 0.005  # share of a row's variance that is as good as none
FASTEST = 0.999  # no step of the cosine takes more of what is left: its last would take all


@lru_cache
def shares(schedule: str, steps: int) -> tuple[float, ...]:
    """ᾱ₁ … ᾱ_T.

    linear: what a step takes grows from 10⁻⁴ to 0.02 if there are 1,000 of them, and accordingly faster if
    there are fewer (Ho et al., 2020). cosine: ᾱ falls as cos² of time, so that less of it is spent where all
    is noise (Nichol & Dhariwal, 2021).

    >>> [round(share, 3) for share in shares("cosine", 4)]
    [0.847, 0.494, 0.144, 0.0]
    """
    if schedule == "linear":
        ends = 1e-4 * 1000 / steps, 0.02 * 1000 / steps
        taken = [ends[0] + (ends[1] - ends[0]) * t / max(1, steps - 1) for t in range(steps)]
    else:
        left = [math.cos((t / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(steps + 1)]
        taken = [1 - after / before for before, after in pairwise(left)]
    found, share = [], 1.0
    for part in taken:
        share *= 1 - min(part, FASTEST)
        found.append(share)
    return tuple(found)


def stops(shares: Sequence[float], sampled: int) -> tuple[int, ...]:
    """The steps at which a sampler stops, falling to 0 last, in `sampled` strides. All, if there are no more.

    They become shorter towards the end, where details are made, with a power of time: 1 and 2 would be the
    even and the quadratic strides of Song et al. (2021). Of normal rows ddim makes a deviation that is too
    small. Where theirs is 1 even strides lose least (one by the angle φ, if ᾱ is cos², leaves cos φ of it),
    and by far the most where it is a tenth; 1.5 lies between.

    The first stop is not T, but where next to nothing is left of a row: that may as well be drawn from noise
    alone, and the strides are shorter for it. (In those authors' program, too, they begin before T.)

    >>> stops(shares("cosine", 1000), 4)
    (955, 620, 338, 119, 0)
    """
    steps = len(shares)
    if sampled >= steps:
        return tuple(range(steps, -1, -1))
    start = next((t for t, share in enumerate(shares, 1) if share < DROWNED), steps)
    return tuple(max(i, round(start * (i / sampled) ** 1.5)) for i in range(sampled, -1, -1))


def spread_times(start: Tensor, rows: int, steps: int, before: int = 0) -> Tensor:
    """A step for each row of a batch, (B,) int64 from 0 to T−1: each as likely, and together evenly spread.

    Rows lie a golden section apart on the circle of all times, from one random start () in (0, 1): so are any
    first of them, if the others are padding. A batch's loss then varies less than with times of their own
    (Kingma et al., "Variational diffusion models", 2021, space them evenly).
    before: how many rows of the batch stand before these.
    """
    place = torch.arange(before, before + rows, device=start.device).to(start.dtype)
    return ((start + GOLDEN * place).frac() * steps).long().clamp_max(steps - 1)


def noised(x: Tensor, noise: Tensor, share: Tensor | float) -> Tensor:
    """x_t from a row x₀ and noise ε, all (B, D): a draw of q(x_t | x₀)."""
    share = torch.as_tensor(share, dtype=x.dtype, device=x.device)
    return share.sqrt() * x + (1 - share).sqrt() * noise


def noise_error(noise: Tensor, guess: Tensor) -> Tensor:
    """The mean squared error of the noise that was guessed, (B, D) both. Returns (B,)."""
    return (noise - guess).square().mean(-1)


def plain_error(x: Any, mean: Any, deviation: Any) -> Any:
    """What `noise_error` is to be expected in rows (N, D) at the shares JUDGED, by the best guess of somebody
    who knows each number's mean and deviation (D,) alone. Arrays or tensors; returns (N,).
    """
    error = 0.0
    for share in JUDGED:
        total = share * deviation**2 + 1 - share  # variance of the noisy numbers
        drawn = (share * deviation**2 / total) ** 2
        error = error + (drawn + share * (1 - share) * ((x - mean) / total) ** 2).mean(1) / len(JUDGED)
    return error


def guided(given: Tensor, free: Tensor, weight: Tensor) -> Tensor:
    """Noise as guessed for a class, pushed away from what is guessed of no class: (1+w)·given − w·free.

    Ho & Salimans, "Classifier-free diffusion guidance", 2022; w ().
    """
    return given + weight * (given - free)


def clean(x: Tensor, guess: Tensor, share: float) -> Tensor:
    """The row x₀ that x_t would be of if its noise were as guessed; (B, D) all."""
    return (x - math.sqrt(1 - share) * guess) / math.sqrt(share)


def ddpm_step(x: Tensor, row: Tensor, share: float, next_share: float, noise: Tensor) -> Tensor:
    """A draw of q(x_s | x_t, x₀) for an s < t: what Ho et al. put in the place of p(x_s | x_t), x₀ guessed.

    row: x₀ (B, D). share, next_share: ᾱ_t and ᾱ_s; s need not be t − 1. noise: (B, D), for s = 0 without
    effect.
    """
    kept = share / next_share  # α, of one step or of a stride
    mean = math.sqrt(next_share) * (1 - kept) * row + math.sqrt(kept) * (1 - next_share) * x
    variance = (1 - next_share) * (1 - kept) / (1 - share)
    return mean / (1 - share) + math.sqrt(variance) * noise


def ddim_step(x: Tensor, row: Tensor, share: float, next_share: float) -> Tensor:
    """x_s of x_t with the same noise and less of it: nothing is drawn, so that few and long strides do.

    Song et al., 2021, with η = 0. Arguments as for `ddpm_step`.
    """
    noise = (x - math.sqrt(share) * row) / math.sqrt(1 - share)
    return math.sqrt(next_share) * row + math.sqrt(1 - next_share) * noise


def ddim_start(left: Sequence[float]) -> float:
    """The deviation of the noise that `ddim_step` is to start from, `left` being ᾱ at all stops.

    It would be 1 if strides were short. A stride leaves √(ᾱ_t·ᾱ_s) + √((1−ᾱ_t)(1−ᾱ_s)) of the deviation of
    normal rows whose deviation is 1 (their x₀ is guessed as √ᾱ_t·x_t): noise that is as much wider makes up
    for it. Beyond WIDEST strides are too few for that.
    """
    kept = math.prod(math.sqrt(a * b) + math.sqrt((1 - a) * (1 - b)) for a, b in pairwise(left))
    return min(WIDEST, 1 / kept)


def extrapolated(row: Tensor, earlier: Tensor, shares: tuple[float, float, float]) -> Tensor:
    """What x₀ will on average look like during the next stride, if its guess goes on changing as it did.

    A `ddim_step` with it is one of DPM-Solver++(2M): of second order, at no further guess. Lu et al.,
    "DPM-Solver++", 2022. row, earlier: the guesses at t and at the stop before it; shares: ᾱ at the stop
    before, at t and at the next one, where some noise must be left: time is measured by ½·ln ᾱ/(1−ᾱ).
    """
    before, now, after = (math.log(share / (1 - share)) / 2 for share in shares)
    return row + (after - now) / (2 * (now - before)) * (row - earlier)
