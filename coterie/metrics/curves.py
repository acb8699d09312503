"""The points of curves for two classes, or one class against the rest: ROC, precision–recall, calibration.

Letters: N rows, T distinct scores, B bins. score (N,): the probability of the class; positive (N,): whether
the row has it (bool, or 0 and 1); weight (N,) or None.
"""

from __future__ import annotations

import torch
from torch import Tensor


def roc_curve(score: Tensor, positive: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """False positive rate, true positive rate and threshold, (T + 1,) each, from (0, 0) to (1, 1).

    Rows are flagged from the threshold on; the first is infinite: none is. NaN where a class is absent.
    """
    threshold, hit, alarm = _cumulated(score, positive, weight)
    start = torch.zeros(1, dtype=torch.float64)
    hit, alarm = torch.cat([start, hit]), torch.cat([start, alarm])
    return alarm / alarm[-1], hit / hit[-1], torch.cat([torch.tensor([torch.inf]).double(), threshold])


def precision_recall_curve(
    score: Tensor, positive: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Precision, recall and threshold, (T,) each, from the highest threshold to the lowest.

    Recall is NaN where no row is positive.
    """
    threshold, hit, alarm = _cumulated(score, positive, weight)
    return hit / (hit + alarm), hit / hit[-1:], threshold


def calibration_curve(
    score: Tensor, positive: Tensor, weight: Tensor | None = None, bins: int = 15
) -> tuple[Tensor, Tensor, Tensor]:
    """Stated probability (mean), observed frequency and weight of the equal bins that have rows, (≤ B,)."""
    score, positive, weight = _existing(score, positive, weight)
    place = (score * bins).floor().clamp(0, bins - 1).to(torch.int64)
    sums = torch.zeros(3, bins, dtype=torch.float64)
    parts = torch.stack([weight, weight * score, weight * positive])
    sums.scatter_add_(-1, place.expand(parts.shape), parts)
    sums = sums[:, sums[0] > 0]
    return sums[1] / sums[0], sums[2] / sums[0], sums[0]


def _cumulated(score: Tensor, positive: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct scores in descending order; weights of positives and of negatives with at least that score."""
    score, positive, weight = _existing(score, positive, weight)
    distinct, place = torch.unique(-score, return_inverse=True)
    parts = torch.stack([weight * positive, weight * (1 - positive)])
    sums = torch.zeros(2, len(distinct), dtype=torch.float64)
    sums.scatter_add_(-1, place.expand(parts.shape), parts)
    hit, alarm = sums.cumsum(-1)
    return -distinct, hit, alarm


def _existing(score: Tensor, positive: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Float64 on the CPU, without rows of weight 0."""
    score, positive = score.detach().cpu().double(), positive.detach().cpu().double()
    if weight is None:
        return score, positive, torch.ones_like(score)
    weight = weight.detach().cpu().double()
    keep = weight > 0
    return score[keep], positive[keep], weight[keep]
