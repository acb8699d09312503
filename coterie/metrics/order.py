"""Scores put in order once, and the areas under curves that weights then give. Exact with ties.

Letters: … leading axes, C classes or labels that are ranked (the positive one alone if binary), N rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from coterie.metrics.counts import remainder

TINY = torch.finfo(torch.float64).tiny


class Ranking:
    """Scores (…, C, N) in descending order, and which of them are positive, without weights.

    order: row numbers; positive: 1.0 or 0.0 in that order; tied: whether any two scores are equal; start and
    end: where each place's run of equal scores begins and ends. All (…, C, N).
    """

    def __init__(self, scores: Tensor, positive: Tensor) -> None:
        shape = torch.broadcast_shapes(scores.shape, positive.shape)
        ordered, self.order = torch.sort(scores, dim=-1, descending=True, stable=True)
        self.positive = positive.to(torch.float64).expand(shape).gather(-1, self.order.expand(shape))
        step = ordered[..., 1:] != ordered[..., :-1]
        self.tied = not bool(step.all())
        places = torch.arange(scores.shape[-1], device=scores.device)
        self.start = torch.where(torch.nn.functional.pad(step, (1, 0), value=True), places, 0).cummax(-1)[0]
        ends = torch.where(torch.nn.functional.pad(step, (0, 1), value=True), places, places.numel() - 1)
        self.end = ends.flip(-1).cummin(-1)[0].flip(-1)

    @cached_property
    def single(self) -> list[SingleRanking]:
        """Class by class, if there are no leading axes."""
        singles = []
        for c, order in enumerate(self.order):
            places = self.positive[c].nonzero().squeeze(-1)
            start, end = self.start[c][places], self.end[c][places]
            first = torch.searchsorted(places, start)
            last = torch.searchsorted(places, end, right=True) - 1
            tied = bool((start != end).any())
            singles.append(SingleRanking(order, places, start, end, first, last, tied))
        return singles


@dataclass(frozen=True)
class SingleRanking:
    """The ranking of one class, seen from its P positives: order (N,), and of each positive (P,) …

    places: where it stands in the order; start and end: where its run of equal scores begins and ends;
    first and last: which positives begin and end that run.
    """

    order: Tensor
    places: Tensor
    start: Tensor
    end: Tensor
    first: Tensor
    last: Tensor
    tied: bool


def in_order(weight: Tensor, order: Tensor) -> Tensor:
    """Weights (…, N) put in orders (…, C, N)."""
    if order.dim() == 2:  # the same order for all: no need to copy it
        return weight[..., order]
    shape = torch.broadcast_shapes(weight.unsqueeze(-2).shape, order.shape)
    return weight.unsqueeze(-2).expand(shape).gather(-1, order.expand(shape))


def rank_scores(ranking: Ranking, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Area under the ROC curve and average precision, each (…, C), of weights (…, N).

    NaN where they have no meaning: the area without positives or without negatives, the average precision
    without positives. Rows of equal score stand or fall together: a positive before a tied negative counts
    half in the area, and precision is taken at the end of its tie.
    """
    if ranking.order.dim() == 2 and ranking.positive.dim() == 2:
        one_by_one = [_rank_scores_of_one(one, weight) for one in ranking.single]
        area, mean = (torch.stack(scores, -1) for scores in zip(*one_by_one, strict=True))
        return area, mean
    weights = in_order(weight, ranking.order)
    positive = weights * ranking.positive
    found, flagged = positive.cumsum(-1), weights.cumsum(-1)
    positives, total = found[..., -1], flagged[..., -1]
    above = found
    if ranking.tied:
        before = torch.nn.functional.pad(found, (1, 0)).gather(-1, ranking.start.expand(found.shape))
        ends = ranking.end.expand(found.shape)
        found, flagged = found.gather(-1, ends), flagged.gather(-1, ends)
        above = (found + before) / 2
    pairs = ((weights - positive) * above).sum(-1)
    precisions = (positive * (found / flagged.clamp(min=TINY))).sum(-1)
    return _defined(pairs, precisions, positives, total)


def _rank_scores_of_one(one: SingleRanking, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The same for one class and many weights: full length only where it must be, else positives alone."""
    weights = weight[..., one.order]
    flagged = weights.cumsum(-1)
    positive = weights[..., one.places]
    found = positive.cumsum(-1)
    total = flagged[..., -1]
    if not len(one.places):
        nothing = torch.full_like(total, torch.nan)
        return nothing, nothing
    positives = found[..., -1:]
    found_end = found[..., one.last]
    flagged_end = flagged[..., one.end]
    above = flagged_end - found_end  # negatives with at least the score of each positive
    if one.tied:
        pad = torch.nn.functional.pad
        above = (above + pad(flagged, (1, 0))[..., one.start] - pad(found, (1, 0))[..., one.first]) / 2
    below = total.unsqueeze(-1) - positives - above
    pairs = torch.einsum("...n,...n->...", positive, below)
    precisions = torch.einsum("...n,...n->...", positive, found_end / flagged_end.clamp(min=TINY))
    return _defined(pairs, precisions, positives.squeeze(-1), total)


def _defined(pairs: Tensor, precisions: Tensor, positives: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over rows made scores, NaN where they have no meaning."""
    negatives = remainder(total, positives)
    area = torch.where((positives > 0) & (negatives > 0), pairs / (positives * negatives), torch.nan)
    return area, torch.where(positives > 0, precisions / positives, torch.nan)
