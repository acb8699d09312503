"""What autoencoders are trained by and judged by: likelihoods of rows, divergences of codes, sparsity.

Pure functions, in nats. Each row by itself, except where the mean activity of units over rows is meant.

B batch, D numbers of a row, K codes, U units.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_log_likelihood(x: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """log N(x; mean, deviation²) of independent numbers, summed over the last axis; returns (B,).

    x, mean: (B, D); log_deviation: anything that broadcasts to that.

    >>> gaussian_log_likelihood(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(()))
    tensor([-1.8379])
    """
    error = (x - mean) * torch.exp(-log_deviation)
    return -(0.5 * error.square() + log_deviation + 0.5 * math.log(2 * math.pi)).sum(-1)


def bernoulli_log_likelihood(x: Tensor, logits: Tensor) -> Tensor:
    """x log p + (1 − x) log(1 − p) with p = sigmoid(logits), summed over the last axis; returns (B,).

    x: (B, D) in [0, 1]. Between 0 and 1 this is no density of x but minus a cross-entropy, as if each
    number were the share of ones among many draws.
    """
    return (x * logits - F.softplus(logits)).sum(-1)


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) ‖ N(0, 1)), summed over the last axis: (B, K) both → (B,).

    Kingma & Welling, "Auto-encoding variational Bayes", 2014, appendix B.

    >>> gaussian_divergence(torch.ones(1, 3), torch.zeros(1, 3))
    tensor([1.5000])
    """
    return 0.5 * (mean.square() + torch.expm1(log_variance) - log_variance).sum(-1)


def warm_up(step: Tensor, steps: Tensor) -> Tensor:
    """A factor that grows evenly from 1/steps at step 0 to 1, and stays; 1 throughout if steps is 0. ()."""
    return ((step + 1) / steps.clamp_min(1)).clamp_max(1)


def mean_activity(activity: Tensor, present: Tensor) -> Tensor:
    """The mean of each unit over the rows that are there: activity (B, U), present (B,) of 0 and 1 → (U,)."""
    return (activity * present[:, None]).sum(0) / present.sum().clamp_min(1)


def activity_divergence(mean: Tensor, target: Tensor) -> Tensor:
    """KL(target ‖ mean activity) of units between 0 and 1, as of coins, mean over units; returns ().

    mean: (U,); target: (). Ng, "Sparse autoencoder", CS294A lecture notes, 2011.
    """
    mean = mean.clamp(1e-6, 1 - 1e-6)  # a unit that is never on, or always, is dear but not without bound
    on = target * (torch.log(target) - torch.log(mean))
    off = (1 - target) * (torch.log1p(-target) - torch.log1p(-mean))
    return (on + off).mean()


def absolute_activity(activity: Tensor) -> Tensor:
    """The L1 penalty, mean over units: (B, U) → (B,) (Olshausen & Field, 1996, in their sparse code)."""
    return activity.abs().mean(-1)
