"""Decisions counted, one class against the rest, and the formulas on those counts.

Letters: … leading axes, N rows, K classes or labels.

What is not defined is NaN: recall of a class that no row has, specificity where every row has it, everything
of a class that is neither true nor predicted. Two conventions, both scikit-learn's: a class that rows have
but that is never predicted has precision 0, and a Matthews coefficient without spread is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# A remainder below this share of the whole is rounding: the weights that are left are none.
CRUMB = 1e-12


@dataclass(frozen=True)
class Counts:
    """Weights of rows, one class against the rest, each (…, K).

    hit: has the class and was given it; true: has it; predicted: was given it; total: all rows (…, 1 or K).
    """

    hit: Tensor
    true: Tensor
    predicted: Tensor
    total: Tensor

    @property
    def pooled(self) -> Counts:
        """The counts of all classes added up, (…, 1)."""
        classes = self.hit.shape[-1]
        total = self.total.expand(self.hit.shape) if self.total.shape[-1] != classes else self.total
        parts = (self.hit, self.true, self.predicted, total)
        return Counts(*(part.sum(-1, keepdim=True) for part in parts))

    @property
    def rest(self) -> Counts:
        """The same for "not this class": hit becomes correct rejection."""
        true = remainder(self.total, self.true)
        predicted = remainder(self.total, self.predicted)
        return Counts(
            remainder(self.total, self.true + self.predicted - self.hit), true, predicted, self.total
        )


def remainder(total: Tensor, part: Tensor) -> Tensor:
    """total − part, exactly 0 where only rounding is left."""
    left = total - part
    return torch.where(left > CRUMB * total, left, 0.0)


def add_up(weight: Tensor, index: Tensor, size: int) -> Tensor:
    """Weights (…, N) added up by index (…, N) into (…, size)."""
    shape = torch.broadcast_shapes(weight.shape, index.shape)
    sums = torch.zeros(*shape[:-1], size, dtype=weight.dtype, device=weight.device)
    return sums.scatter_add_(-1, index.expand(shape), weight.expand(shape))


# Formulas on counts, one class against the rest.


def precision_of(counts: Counts) -> Tensor:
    """hit / predicted; 0 if never predicted though rows have it."""
    exists = (counts.true > 0) | (counts.predicted > 0)
    value = torch.where(counts.predicted > 0, counts.hit / counts.predicted, 0.0)
    return torch.where(exists, value, torch.nan)


def recall_of(counts: Counts) -> Tensor:
    """hit / true; NaN if no row has the class."""
    return torch.where(counts.true > 0, counts.hit / counts.true, torch.nan)


def specificity_of(counts: Counts) -> Tensor:
    """Of the rows without the class, the share that was not given it."""
    return recall_of(counts.rest)


def negative_predictive_value_of(counts: Counts) -> Tensor:
    """Of the rows that were not given the class, the share without it."""
    return precision_of(counts.rest)


def f1_of(counts: Counts) -> Tensor:
    """The harmonic mean of precision and recall: 2 hit / (true + predicted)."""
    both = counts.true + counts.predicted
    return torch.where(both > 0, 2 * counts.hit / both, torch.nan)


def matthews_of(counts: Counts) -> Tensor:
    """Correlation of "has it" with "was given it"; 0 where either does not vary."""
    covariance = counts.hit * counts.total - counts.true * counts.predicted
    spread = counts.true * counts.rest.true * counts.predicted * counts.rest.predicted
    return torch.where(spread > 0, covariance / spread.clamp(min=0).sqrt(), 0.0)
