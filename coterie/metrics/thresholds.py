"""From a probability to a decision: what each threshold costs, and which one to take. Two classes.

Letters: N rows. Probabilities are those of the positive class, (N,). A row is flagged (called positive) when
its probability reaches the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from coterie.metrics.counts import (
    CRUMB,
    Counts,
    f1_of,
    negative_predictive_value_of,
    precision_of,
    recall_of,
    specificity_of,
)

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
MIDDLE = 0.5


def threshold_table(
    probability: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[dict[str, float]]:
    """One row a threshold: threshold, sensitivity, specificity, precision, npv, f1, accuracy, flagged.

    probability, target (0 or 1), weight: (N,). flagged: the share of all rows that is called positive. NaN
    where a score is not defined.
    """
    probability, positive, weight = _prepared(probability, target, weight)
    flags = (probability >= torch.tensor(list(thresholds), dtype=torch.float64).unsqueeze(-1)).double()
    true = (weight * positive).sum()
    total = true + (weight * (1 - positive)).sum()
    # (thresholds,) each: every threshold is a class of its own here.
    counts = Counts(
        flags @ (weight * positive), true.expand(len(flags)), flags @ weight, total.expand(len(flags))
    )
    columns = {
        "threshold": torch.tensor(list(thresholds), dtype=torch.float64),
        "sensitivity": recall_of(counts),
        "specificity": specificity_of(counts),
        "precision": precision_of(counts),
        "npv": negative_predictive_value_of(counts),
        "f1": f1_of(counts),
        "accuracy": (counts.hit + counts.rest.hit) / total,
        "flagged": counts.predicted / total,
    }
    lists = {name: column.tolist() for name, column in columns.items()}
    return [{name: values[i] for name, values in lists.items()} for i in range(len(flags))]


def choose_threshold(probability: Tensor, target: Tensor, weight: Tensor | None = None) -> float:
    """The threshold of the largest sensitivity + specificity − 1 (Youden's J, 1950).

    It lies midway between the two adjacent scores; of equally good ones the closest to ½ is taken. ½ where
    no threshold is better than flagging all rows or none, or only one class is there. Choose it on rows
    that were not trained on (out-of-fold), and not on those that will judge it.

    >>> choose_threshold(torch.tensor([0.1, 0.2, 0.4, 0.9]), torch.tensor([0, 0, 1, 1]))  # doctest: +ELLIPSIS
    0.3...
    """
    probability, positive, weight = _prepared(probability, target, weight)
    positives, negatives = (weight * positive).sum(), (weight * (1 - positive)).sum()
    scores, place = torch.unique(probability, return_inverse=True)  # ascending
    if len(scores) < 2 or positives <= 0 or negatives <= 0:
        return MIDDLE
    gain = weight * (positive / positives - (1 - positive) / negatives)
    gains = torch.zeros(len(scores), dtype=torch.float64).scatter_add_(0, place, gain)
    youden = -gains.cumsum(0)[:-1]  # flagging all above the score i; all gains add up to 0
    best = youden.max()
    if best <= CRUMB:
        return MIDDLE
    middles = (scores[:-1] + scores[1:]) / 2
    candidates = middles[youden >= best - CRUMB]
    return float(candidates[(candidates - MIDDLE).abs().argmin()])


def _prepared(probability: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Float64 on the CPU, without rows of weight 0."""
    probability = probability.detach().cpu().to(torch.float64)
    positive = (target.detach().cpu() == 1).to(torch.float64)
    if weight is None:
        return probability, positive, torch.ones_like(probability)
    weight = weight.detach().cpu().to(torch.float64)
    keep = weight > 0
    return probability[keep], positive[keep], weight[keep]
