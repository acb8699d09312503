"""Scores of orders: does a higher probability go with having the class? Exact with ties and weights.

Letters: … leading axes, C classes or labels that are ranked (the positive one alone if binary), N rows.
"""

from __future__ import annotations

from torch import Tensor

from coterie.metrics.sample import Measure, Sample, mean_of_defined


@Measure
def roc_auc(sample: Sample) -> Tensor:
    """Area under the ROC curve: how often a row with the class has a higher score than one without.

    One class against the rest; the mean over classes that have both kinds of rows, else NaN.
    """
    return mean_of_defined(sample.rank_scores[0])


@Measure
def average_precision(sample: Sample) -> Tensor:
    """Average precision: the precision met on the way down the ranking, averaged over the rows to be found.

    The step-wise area under the precision–recall curve, without interpolation. One class against the
    rest; the mean over the classes that rows have, else NaN.
    """
    return mean_of_defined(sample.rank_scores[1])
