"""Scores of decisions: what was predicted against what was true, by counting.

Letters: … leading axes, N rows, K classes or labels.

Scores of a class are reduced by the task: binary → the positive class (index 1); multiclass and labels → the
mean over the classes for which the score is defined ("macro"). What is defined when: see counts.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from coterie.metrics.counts import (
    CRUMB,
    add_up,
    f1_of,
    matthews_of,
    negative_predictive_value_of,
    precision_of,
    recall_of,
    specificity_of,
)
from coterie.metrics.sample import Measure, Rows, Sample, mean_of_defined

TOP = 3


def reduce(sample: Sample, values: Tensor) -> Tensor:
    """(…, K) → (…): the positive class if binary, else the mean over the classes that have a value."""
    return values[..., 1] if sample.rows.binary else mean_of_defined(values)


@Measure
def accuracy(sample: Sample) -> Tensor:
    """The share of rows that were given their class; for labels, the share of (row, label) pairs."""
    return sample.mean(sample.rows.once(_right))


@Measure
def exact_match(sample: Sample) -> Tensor:
    """The share of rows all of whose labels are right."""
    rows = sample.rows
    return sample.mean((rows.predicted == rows.truth).all(-1).to(torch.float64))


@Measure
def top_3_accuracy(sample: Sample) -> Tensor:
    """The share of rows whose class is among the three most probable; of equals, the first go first."""
    return sample.mean(sample.rows.once(_among_the_top))


@Measure
def balanced_accuracy(sample: Sample) -> Tensor:
    """The mean of the classes' recalls; for labels, of the mean of recall and specificity of each."""
    recalls = recall_of(sample.counts)
    if sample.rows.indexed:
        return mean_of_defined(recalls)
    both = torch.stack([recalls, specificity_of(sample.counts)], -1)
    return mean_of_defined(mean_of_defined(both))


@Measure
def precision(sample: Sample) -> Tensor:
    """Positive predictive value: of the rows that were given the class, the share that has it."""
    return reduce(sample, precision_of(sample.counts))


@Measure
def negative_predictive_value(sample: Sample) -> Tensor:
    """Of the rows that were given another class, the share that does have another."""
    return reduce(sample, negative_predictive_value_of(sample.counts))


@Measure
def recall(sample: Sample) -> Tensor:
    """Sensitivity, power, true positive rate: of the rows that have the class, the share that was found."""
    return reduce(sample, recall_of(sample.counts))


@Measure
def specificity(sample: Sample) -> Tensor:
    """True negative rate: of the rows without the class, the share that was recognised as such."""
    return reduce(sample, specificity_of(sample.counts))


@Measure
def false_positive_rate(sample: Sample) -> Tensor:
    """False alarms: of the rows without the class, the share that was given it. 1 − specificity."""
    return reduce(sample, 1 - specificity_of(sample.counts))


@Measure
def miss_rate(sample: Sample) -> Tensor:
    """Misses: of the rows with the class, the share that was not found. 1 − recall."""
    return reduce(sample, 1 - recall_of(sample.counts))


@Measure
def f1(sample: Sample) -> Tensor:
    """The harmonic mean of precision and recall."""
    return reduce(sample, f1_of(sample.counts))


@Measure
def matthews(sample: Sample) -> Tensor:
    """Matthews correlation coefficient: 1 perfect, 0 no better than chance, −1 always wrong.

    Binary: Matthews (1975); multiclass: Gorodkin's R_K (2004); labels: the mean of the labels' own.
    """
    counts = sample.counts
    if not sample.rows.indexed:
        return matthews_of(counts).mean(-1)
    total = counts.total.squeeze(-1)
    covariance = counts.hit.sum(-1) * total - (counts.true * counts.predicted).sum(-1)
    spread_true = total.square() - counts.true.square().sum(-1)
    spread_predicted = total.square() - counts.predicted.square().sum(-1)
    spread = spread_true * spread_predicted
    varies = torch.minimum(spread_true, spread_predicted) > CRUMB * total.square()
    return torch.where(varies, covariance / spread.clamp(min=0).sqrt(), 0.0)


@Measure
def confusion_matrix(sample: Sample) -> Tensor:
    """Weights of rows by true class (rows) and predicted class (columns), (…, K, K).

    For labels one 2 × 2 table each, (…, K, 2, 2), without the label first.
    """
    rows = sample.rows
    if rows.indexed:
        cells = add_up(sample.weight, rows.target * rows.outputs + rows.predicted, rows.outputs**2)
        return cells.unflatten(-1, (rows.outputs, rows.outputs))
    counts, rest = sample.counts, sample.counts.rest
    table = [rest.hit, counts.predicted - counts.hit, counts.true - counts.hit, counts.hit]
    return torch.stack(table, -1).unflatten(-1, (2, 2))


def _right(rows: Rows) -> Tensor:
    """1.0 where the decision is right (…, N); for labels, the share of right ones."""
    if rows.indexed:
        return (rows.predicted == rows.target).to(torch.float64)
    return (rows.predicted == rows.truth).to(torch.float64).mean(-1)


def _among_the_top(rows: Rows) -> Tensor:
    """1.0 where fewer than three classes go before the true one, (…, N)."""
    truth = rows.probability_of_truth.unsqueeze(-1)
    earlier = torch.arange(rows.outputs, device=truth.device) < rows.target.unsqueeze(-1)
    before = (rows.output > truth) | ((rows.output == truth) & earlier)
    return (before.sum(-1) < TOP).to(torch.float64)
