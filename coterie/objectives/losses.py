"""Losses per row: what a wrong answer costs, before averaging.

Each takes raw outputs and targets of one batch and returns a loss per row, so that weights and padding
can be applied by whoever averages. Targets of regression are standardised (see `models/output.py`).

B batch, K outputs. Raw outputs: (B, K) logits, (B, 1) for binary; regression: (B, K) standardised values.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from coterie.lifting.alone import at_once

TINY = 1e-30  # no batch weighs less
LOSSES = ("auto", "cross_entropy", "mse", "mae", "huber", "perceptron", "lms")


def mean(rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The mean () of rows' losses (B,), weighted (B,), and what all weigh ().

    A loss of weight 0 is left out, not multiplied: a row that pads the batch may have an infinite one.
    """
    total = weight.sum().clamp_min(TINY)
    rows, share = rows.masked_fill(weight.logical_not(), 0.0), weight / total
    return (rows * share).sum(), total


def categorical_cross_entropy(logits: Tensor, target: Tensor, smoothing: Tensor | None = None) -> Tensor:
    """−Σ q log p with q = (1−ε)·one-hot + ε/K; target (B,) int64, smoothing ε (), None for 0. Returns (B,).

    Label smoothing: Szegedy et al., "Rethinking the Inception Architecture", 2016.
    """
    if smoothing is None and at_once():
        return F.cross_entropy(logits, target, reduction="none")
    log_p = F.log_softmax(logits, dim=-1)
    true = log_p.gather(-1, target[:, None]).squeeze(-1)
    if smoothing is None:
        return -true
    return -(1 - smoothing) * true - smoothing * log_p.mean(-1)


def binary_cross_entropy(logits: Tensor, target: Tensor, smoothing: Tensor | None = None) -> Tensor:
    """Mean over K of the cross-entropy of K yes-or-no outputs; target (B, K) of 0 and 1. Returns (B,).

    Smoothed as two classes would be: q = (1−ε)·t + ε/2.
    """
    q = target if smoothing is None else target * (1 - smoothing) + smoothing / 2
    return (F.softplus(logits) - q * logits).mean(-1)


def squared(values: Tensor, target: Tensor) -> Tensor:
    """Squared error, mean over K; (B, K) both. Returns (B,)."""
    return (values - target).square().mean(-1)


def absolute(values: Tensor, target: Tensor) -> Tensor:
    """Absolute error, mean over K; (B, K) both. Returns (B,)."""
    return (values - target).abs().mean(-1)


def huber(values: Tensor, target: Tensor, delta: Tensor) -> Tensor:
    """½e² within δ, δ(|e|−½δ) beyond (Huber, 1964), mean over K. Returns (B,)."""
    error = (values - target).abs()
    near = torch.minimum(error, delta)
    return (near * (error - near / 2)).mean(-1)


def mistakes(sums: Tensor, target: Tensor, decided: Tensor) -> Tensor:
    """1 for a wrong decision, 0 for a right one, with the gradient of the perceptron rule.

    That gradient is −(y − decided): after a mistake a step of gradient descent adds the input to the weights
    or takes it away (Rosenblatt, 1958); of several classes the true one's neuron is strengthened and the
    wrong winner's weakened (Duda & Hart, 1973). All (B, K), targets and decisions 0 or 1. Returns (B,).
    """
    error = target.to(sums.dtype) - decided
    slope = -(error * sums).sum(-1)
    return (error != 0).any(-1).to(sums.dtype) + (slope - slope.detach())  # 0, with a gradient


def least_mean_squares(sums: Tensor, target: Tensor) -> Tensor:
    """(z − y)² with y = +1 for the class, −1 for the others, mean over K (Widrow & Hoff, 1960).

    Both (B, K), targets 0 or 1. Returns (B,).
    """
    return (sums - (2 * target.to(sums.dtype) - 1)).square().mean(-1)
