"""Scores class by class, and their averages: what a table of the report shows beside the headline.

Letters: … leading axes, N rows, K classes or labels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from coterie.metrics.counts import f1_of, precision_of, recall_of, specificity_of
from coterie.metrics.order import Ranking, rank_scores
from coterie.metrics.sample import Rows, Sample, mean_of_defined

FORMULAS = {"precision": precision_of, "recall": recall_of, "specificity": specificity_of, "f1": f1_of}


def per_class(output: Tensor, target: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
    """Each class or label against the rest, (…, K) each; binary gives both classes.

    Keys: support (the weight of the rows that have it), precision, recall, specificity, f1, roc_auc,
    average_precision. NaN where a score is not defined.
    """
    return _per_class(Sample(Rows(output, target), weight))


def averaged(
    output: Tensor, target: Tensor, weight: Tensor | None = None, *, average: Literal["macro", "micro"]
) -> dict[str, Tensor]:
    """The scores of `per_class` but support, (…) each, averaged over all K classes, binary or not.

    macro: the mean over the classes that have a value; micro: all (row, class) pairs pooled, so that large
    classes count for more. (With one class a row, micro precision, recall and F1 all are the accuracy.)
    """
    sample = Sample(Rows(output, target), weight)
    if average == "macro":
        scores = _per_class(sample)
        return {name: mean_of_defined(values) for name, values in scores.items() if name != "support"}
    rows = sample.rows
    pooled = sample.counts.pooled
    scores = {name: formula(pooled).squeeze(-1) for name, formula in FORMULAS.items()}
    flat = Ranking(rows.output.flatten(-2).unsqueeze(-2), rows.truth.flatten(-2).unsqueeze(-2))
    area, mean = rank_scores(flat, sample.weight.repeat_interleave(rows.outputs, dim=-1))
    return _void(sample, scores | {"roc_auc": area.squeeze(-1), "average_precision": mean.squeeze(-1)})


def _per_class(sample: Sample) -> dict[str, Tensor]:
    rows = sample.rows
    scores = {name: formula(sample.counts) for name, formula in FORMULAS.items()}
    area, mean = rank_scores(
        Ranking(rows.output.transpose(-1, -2), rows.truth.transpose(-1, -2)), sample.weight
    )
    scores = _void(sample, scores | {"roc_auc": area, "average_precision": mean})
    return {"support": sample.counts.true, **scores}


def _void(sample: Sample, scores: dict[str, Tensor]) -> dict[str, Tensor]:
    """NaN for the scores of void samples."""
    void = sample.void
    return {
        name: torch.where(void.reshape(void.shape + (1,) * (value.dim() - void.dim())), torch.nan, value)
        for name, value in scores.items()
    }
