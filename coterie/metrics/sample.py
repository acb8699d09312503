"""What every metric starts from: a weighted sample of rows, cleaned once, its parts worked out at most once.

Letters: … leading axes (members, resamples), N rows, K outputs (classes, labels or targets).

`Rows` holds what does not depend on the weights (predicted classes, orders of scores), `Sample` adds
weights; a bootstrap makes many samples of the same rows. A `Measure` is a metric: call it with tensors, or
give its `of` a sample that other metrics share.

All arithmetic is float64. A row of weight 0 does not exist, even if its output is NaN. A row that does exist
makes the score NaN if its output or target is not finite (or beyond 1e150) or its class is out of range. A
sample without rows has no score: NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any, TypeVar

import torch
from torch import Tensor

from coterie.metrics.counts import Counts, add_up
from coterie.metrics.order import Ranking, rank_scores

T = TypeVar("T")
# Classes × rows up to which decisions are counted by matrix products with one-hot rows.
ONE_HOT = 20_000_000
# Beyond this, squares and their sums would overflow.
HUGE = 1e150


class Rows:
    """Outputs (…, N, K) and targets: int64 (…, N) for classes, float (…, N, K) for labels or values.

    output and target are kept in float64 (class indices in int64), with 0 in the place of what cannot be
    used; `unusable` (…, N) says which rows those are.
    """

    def __init__(self, output: Tensor, target: Tensor) -> None:
        if output.device.type == "mps":  # has no float64
            output, target = output.cpu(), target.cpu()
        target = target.to(output.device)
        output = output.detach().to(torch.float64)
        output = _at_least_one_row(output, -2, torch.nan)
        self.indexed = not (target.is_floating_point() or target.dtype == torch.bool)
        self.outputs = output.shape[-1]
        bad_output = _unusable_values(output)
        self.output = torch.where(bad_output.unsqueeze(-1), 0.0, output)
        if self.indexed:
            target = _at_least_one_row(target.to(torch.int64), -1, -1)
            bad_target = (target < 0) | (target >= self.outputs)
            self.target = torch.where(bad_target, 0, target)
        else:
            target = _at_least_one_row(target.to(torch.float64), -2, torch.nan)
            bad_target = _unusable_values(target)
            self.target = torch.where(bad_target.unsqueeze(-1), 0.0, target)
        self.unusable = bad_output | bad_target
        self._known: dict[Callable[[Rows], Any], Any] = {}

    def once(self, formula: Callable[[Rows], T]) -> T:
        """formula(rows), worked out at the first call: what all the weights of a bootstrap have in common."""
        if formula not in self._known:
            self._known[formula] = formula(self)
        return self._known[formula]

    @property
    def binary(self) -> bool:
        """Two classes by index: scores are those of the positive class, index 1."""
        return self.indexed and self.outputs == 2

    @cached_property
    def predicted(self) -> Tensor:
        """The most probable class (…, N), the first of equals; for labels (…, N, K), 1.0 where above ½."""
        if self.indexed:
            return self.output.argmax(-1)
        return (self.output > 0.5).to(torch.float64)

    @cached_property
    def truth(self) -> Tensor:
        """The target as 0.0 and 1.0, (…, N, K)."""
        if self.indexed:
            return torch.nn.functional.one_hot(self.target, self.outputs).to(torch.float64)
        return self.target

    @cached_property
    def probability_of_truth(self) -> Tensor:
        """The probability that was given to the true class, (…, N)."""
        shape = torch.broadcast_shapes(self.output.shape[:-1], self.target.shape)
        output = self.output.expand(*shape, self.outputs)
        return output.gather(-1, self.target.expand(shape).unsqueeze(-1)).squeeze(-1)

    @cached_property
    def ranking(self) -> Ranking:
        """The scores in order, for each class or label (…, C, N); for two classes, of the positive one."""
        if self.binary:
            return Ranking(self.output[..., 1].unsqueeze(-2), (self.target == 1).unsqueeze(-2))
        return Ranking(self.output.transpose(-1, -2), self.truth.transpose(-1, -2))

    @cached_property
    def error(self) -> Tensor:
        """Predicted minus true value (…, N, K)."""
        return self.output - self.target

    @cached_property
    def ordered_errors(self) -> tuple[Tensor, Tensor]:
        """Absolute errors from small to large and the row numbers in that order, each (…, K, N)."""
        values, order = self.error.abs().transpose(-1, -2).sort(-1)
        return values, order


class Sample:
    """Rows with weights (…, N); None: every row counts once. Leading axes broadcast against the rows'."""

    def __init__(self, rows: Rows, weight: Tensor | None = None) -> None:
        self.rows = rows
        if weight is None:
            number = rows.unusable.shape[-1]
            self.weight = torch.ones(number, dtype=torch.float64, device=rows.output.device)
        else:
            self.weight = _at_least_one_row(weight.detach().to(rows.output.device, torch.float64), -1, 0)

    @cached_property
    def total(self) -> Tensor:
        """The sum of the weights, (…), in the shape of `weight`'s leading axes."""
        return self.weight.sum(-1)

    @cached_property
    def void(self) -> Tensor:
        """(…): True where no score can be given: no rows, or one that cannot be used."""
        return (self.sum(self.rows.once(_unusable)) > 0) | (self.total <= 0)

    @cached_property
    def counts(self) -> Counts:
        """The decisions counted (the most probable class; labels above ½), each (…, K)."""
        rows = self.rows
        if not rows.indexed:
            hit = self.sum_columns(rows.predicted * rows.truth)
            true, predicted = self.sum_columns(rows.truth), self.sum_columns(rows.predicted)
            return Counts(hit, true, predicted, self.total.unsqueeze(-1))
        if rows.unusable.dim() == 1 and rows.outputs * rows.target.numel() <= ONE_HOT:
            # Many weights for the same rows: one matrix product is several times faster than adding up.
            hit, true, predicted = self.sum_columns(rows.once(_decisions)).chunk(3, -1)
            return Counts(hit, true, predicted, true.sum(-1, keepdim=True))
        true = add_up(self.weight, rows.target, rows.outputs)
        predicted = add_up(self.weight, rows.predicted, rows.outputs)
        # Rows that were not hit go to an extra cell, which is dropped.
        hits = torch.where(rows.predicted == rows.target, rows.target, rows.outputs)
        hit = add_up(self.weight, hits, rows.outputs + 1)[..., :-1]
        return Counts(hit, true, predicted, true.sum(-1, keepdim=True))

    @cached_property
    def rank_scores(self) -> tuple[Tensor, Tensor]:
        """Area under the ROC curve and average precision of each ranked class, (…, C)."""
        return rank_scores(self.rows.ranking, self.weight)

    def sum(self, values: Tensor) -> Tensor:
        """Weighted sum of (…, N), without copying the values for every leading axis of the weights."""
        if values.dim() == 1:
            return self.weight @ values
        return torch.einsum("...n,...n->...", self.weight, values)

    def sum_columns(self, values: Tensor) -> Tensor:
        """Weighted sums of (…, N, K) over the rows, (…, K)."""
        if values.dim() == 2:
            return self.weight @ values
        return torch.einsum("...n,...nk->...k", self.weight, values)

    def mean(self, values: Tensor) -> Tensor:
        """Weighted mean of (…, N)."""
        return self.sum(values) / self.total

    def mean_columns(self, values: Tensor) -> Tensor:
        """Weighted means of (…, N, K) over the rows, (…, K)."""
        return self.sum_columns(values) / self.total.unsqueeze(-1)


class Measure:
    """A metric: `measure(output, target, weight)` from tensors, `measure.of(sample)` from a shared sample."""

    rows: type[Rows] = Rows  # what it makes of outputs and targets

    def __init__(self, formula: Callable[[Sample], Tensor]) -> None:
        self.formula = formula
        update_wrapper(self, formula)

    def of(self, sample: Sample) -> Tensor:
        """The score of a sample: NaN where it is void."""
        score = self.formula(sample)
        void = sample.void
        return torch.where(void.reshape(void.shape + (1,) * (score.dim() - void.dim())), torch.nan, score)

    def __call__(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        return self.of(Sample(self.rows(output, target), weight))


def _unusable_values(values: Tensor) -> Tensor:
    """Which rows of (…, N, K) hold a value that is not finite, or huge: (…, N)."""
    return ~(values.abs().amax(-1) < HUGE)


def _unusable(rows: Rows) -> Tensor:
    return rows.unusable.to(torch.float64)


def _decisions(rows: Rows) -> Tensor:
    """Hit, true and predicted, one-hot side by side: (N, 3 K)."""
    predicted = torch.nn.functional.one_hot(rows.predicted, rows.outputs).to(torch.float64)
    return torch.cat([predicted * rows.truth, rows.truth, predicted], -1)


def _at_least_one_row(values: Tensor, axis: int, fill: float) -> Tensor:
    """For no rows, one that cannot be used (NaN, class −1) and has weight 0: so no formula meets none."""
    if values.shape[axis]:
        return values
    shape = list(values.shape)
    shape[axis] = 1
    return values.new_full(shape, fill)


def mean_of_defined(values: Tensor) -> Tensor:
    """The mean over the last axis of what is not NaN; NaN where nothing is left."""
    return torch.nanmean(values, dim=-1)
