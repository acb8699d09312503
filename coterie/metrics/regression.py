"""Scores for values: how far predictions are from the truth, each averaged over the targets alike.

Letters: … leading axes, N rows, K targets.
"""

from __future__ import annotations

import torch
from torch import Tensor

from coterie.metrics.counts import CRUMB
from coterie.metrics.order import in_order
from coterie.metrics.sample import Measure, Rows, Sample, mean_of_defined

# Targets whose spread is below this share of their mean are equal but for rounding.
EQUAL_BUT_FOR_ROUNDING = 1e-13


@Measure
def mse(sample: Sample) -> Tensor:
    """Mean squared error, in the target's unit squared."""
    return sample.mean(sample.rows.once(_squared).mean(-1))


@Measure
def rmse(sample: Sample) -> Tensor:
    """Root mean squared error, in the target's unit; with several targets, the mean of theirs."""
    return sample.mean_columns(sample.rows.once(_squared)).sqrt().mean(-1)


@Measure
def mae(sample: Sample) -> Tensor:
    """Mean absolute error, in the target's unit."""
    return sample.mean(sample.rows.once(_absolute))


@Measure
def mape(sample: Sample) -> Tensor:
    """Mean absolute error as a share of the true value (0.1 is ten per cent).

    A true value of 0 counts as 2.2e-16, as scikit-learn has it: the score is then huge, and useless.
    """
    return sample.mean(sample.rows.once(_relative))


@Measure
def median_ae(sample: Sample) -> Tensor:
    """Median absolute error, in the target's unit: half of the (weighted) rows are closer than this.

    Where the weights fall exactly in half, the mean of the two errors in the middle.
    """
    errors, order = sample.rows.ordered_errors  # (…, K, N)
    cumulated = in_order(sample.weight, order).cumsum(-1)
    half = cumulated[..., -1:] / 2
    last = cumulated.shape[-1] - 1
    lower = torch.searchsorted(cumulated, half, right=False).clamp(max=last)
    upper = torch.searchsorted(cumulated, half, right=True).clamp(max=last)
    errors = errors.expand(cumulated.shape)
    return ((errors.gather(-1, lower) + errors.gather(-1, upper)) / 2).squeeze(-1).mean(-1)


@Measure
def r2(sample: Sample) -> Tensor:
    """R²: the share of the target's variance that is explained; 0 for always saying the mean.

    A target that does not vary has no R² (NaN); with several targets, the mean of those that have one.
    """
    target = sample.rows.target
    mean = sample.mean_columns(target)
    # Deviations are taken from a centre that all weights of the same rows share, so that nothing is copied
    # for each of them; with one weight it is their own mean.
    shared = mean.dim() + 1 - target.dim()
    centre = mean.flatten(0, shared - 1).nanmean(0) if shared > 0 else mean
    around = sample.sum_columns((target - centre.unsqueeze(-2)).square())
    weight = sample.total.unsqueeze(-1)
    total = around - weight * (mean - centre).square()
    rounding = weight * (EQUAL_BUT_FOR_ROUNDING * mean).square() + CRUMB * around
    left = sample.sum_columns(sample.rows.once(_squared))
    return mean_of_defined(torch.where(total > rounding, 1 - left / total, torch.nan))


def _squared(rows: Rows) -> Tensor:
    """(…, N, K)"""
    return rows.error.square()


def _absolute(rows: Rows) -> Tensor:
    """(…, N)"""
    return rows.error.abs().mean(-1)


def _relative(rows: Rows) -> Tensor:
    """(…, N)"""
    return (rows.error.abs() / rows.target.abs().clamp(min=torch.finfo(torch.float64).eps)).mean(-1)
