"""How sure a score is: bootstrap intervals on a test set, and standard errors over folds.

Letters: … leading axes, N rows, K outputs, R resamples.

A bootstrap resample of N rows is a vector of N counts, and counts are weights: so a metric that takes
weights (R, N) scores R resamples in one call, nothing is copied, and all metrics of a task share one set of
resamples. Intervals are percentile intervals (Efron, 1979). They speak of the sampling of test rows: what the
score could be on other rows of the same kind, for this very model; not of what another training would give.

Rows are resampled as if they were independent: rows that belong together (visits of one patient) make the
intervals too narrow. Where it is known which do (the steps of a sequence, the tokens of a text), `together`
(N,) names their group, and whole groups are drawn (Davison & Hinkley, 1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from coterie.metrics.catalogue import rows_for, scores_of
from coterie.metrics.sample import Measure, Sample

RESAMPLES = 2000
LEVEL = 0.95
# Resamples × rows × columns in one piece: 500,000 float64 are 4 MB, and stay near the processor.
PIECE = 500_000
# Resamples × rows × ranked columns in all, some half a minute of one core; beyond it, fewer resamples.
WORK = 500_000_000
FEWEST = 100

MetricFunction = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class Interval(NamedTuple):
    """A score with its interval; NaN where there is none."""

    value: float
    low: float
    high: float


def bootstrap(
    metric_function: MetricFunction,
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    seed: int,
    resamples: int = RESAMPLES,
    together: np.ndarray | None = None,
    level: float = LEVEL,
) -> Interval:
    """A score with its percentile interval.

    output (N, K), target (N,) or (N, K), weight (N,); metric_function gives a scalar for each leading index
    of its weights. Rows of weight 0 are left out before resampling. Resamples in which the score is not
    defined (no positives, say) are left out.
    """
    together = _groups(together, weight)
    output, target, weight = existing(output, target, weight)
    score = _by_weight(metric_function, output, target)
    return _resampled(score, weight, output.shape[-1], seed, resamples, level, together)


def bootstrap_all(
    task: str,
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    seed: int,
    resamples: int = RESAMPLES,
    together: np.ndarray | None = None,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """All metrics of a task as `bootstrap` gives them, from one set of resamples; sorting is done once.

    Very many rows get fewer resamples than asked for: see `resamples_for`.
    """
    together = _groups(together, weight)
    output, target, weight = existing(output, target, weight)
    rows = rows_for(task)(output, target)
    columns = rows.outputs if task in ("multilabel", "regression") else 1
    ranked = 1 if task in ("binary", "unsupervised") else rows.outputs  # of the latter nothing is sorted
    resamples = resamples_for(len(weight), ranked, resamples)
    values = scores_of(Sample(rows, weight), task)
    names = list(values)
    drawn: dict[str, list[Tensor]] = {name: [] for name in names}
    for counts in _counts(together, len(weight), columns, seed, resamples):
        for name, score in scores_of(Sample(rows, counts * weight), task, names).items():
            drawn[name].append(score)
    return {name: _interval(values[name], drawn[name], level) for name in names}


def paired_difference(
    metric_function: MetricFunction,
    output_a: Tensor,
    output_b: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    seed: int,
    resamples: int = RESAMPLES,
    together: np.ndarray | None = None,
    level: float = LEVEL,
) -> Interval:
    """The score of a minus the score of b with its interval, both scored on the same resamples.

    The rows that are hard are hard for both, so this is much narrower than two intervals side by side.
    """

    both = torch.cat([output_a.to(torch.float64), output_b.to(torch.float64)], -1)
    together = _groups(together, weight)
    both, target, weight = existing(both, target, weight)
    a, b = both.split(output_a.shape[-1], dim=-1)
    score_a, score_b = _by_weight(metric_function, a, target), _by_weight(metric_function, b, target)

    def difference(weight: Tensor) -> Tensor:
        return score_a(weight) - score_b(weight)

    return _resampled(difference, weight, a.shape[-1], seed, resamples, level, together)


def corrected_standard_error(scores: Tensor, n_train: float | Tensor, n_validation: float | Tensor) -> Tensor:
    """Standard error of the mean of scores (…, J) over J folds (times seeds), (…).

    sqrt((1/J + n_validation / n_train) · s²): folds share training rows, so their scores are more alike than
    independent ones, and s²/J would be too sure of itself (Nadeau & Bengio, 2003). n_train and n_validation:
    rows in a fold's training and validation part, broadcast against (…). Scores that are NaN are left out;
    NaN where fewer than two are left.

    >>> corrected_standard_error(torch.tensor([0.8, 0.9, 1.0]), 80, 20).item()  # doctest: +ELLIPSIS
    0.0763...
    """
    scores = scores.to(torch.float64)
    defined = ~torch.isnan(scores)
    number = defined.sum(-1)
    deviation = torch.where(defined, scores - torch.nanmean(scores, -1, keepdim=True), 0.0)
    variance = deviation.square().sum(-1) / (number - 1)
    error = ((1 / number + torch.as_tensor(n_validation) / torch.as_tensor(n_train)) * variance).sqrt()
    return torch.where(number > 1, error, torch.nan)


def resamples_for(n: int, columns: int, wanted: int = RESAMPLES) -> int:
    """How many resamples `bootstrap_all` makes of n rows with so many ranked columns: fewer if n is huge."""
    return min(wanted, max(FEWEST, WORK // max(1, n * columns)))


def resample_counts(n: int, columns: int, *, seed: int, resamples: int) -> Iterator[Tensor]:
    """How often each of n rows is drawn in each resample, float64 (r, n) piece by piece until r add up to R.

    The only place where a bootstrap draws random numbers: PCG64 under `seed`, so that the same n and seed
    give the same resamples to every metric and every model. columns sizes the pieces, and changes no number.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    piece = max(1, PIECE // max(1, n * columns))
    for begin in range(0, resamples, piece):
        size = min(piece, resamples - begin)
        draws = generator.integers(0, n, size=(size, n)) if n else np.zeros((size, 0), dtype=np.int64)
        draws += n * np.arange(size)[:, None]
        counts = np.bincount(draws.ravel(), minlength=size * n).reshape(size, n)
        yield torch.from_numpy(counts).to(torch.float64)


def _groups(together: np.ndarray | None, weight: Tensor | None) -> np.ndarray | None:
    """The group of each row whose weight is not 0, as an index."""
    if together is None:
        return None
    kept = together if weight is None else together[weight.cpu().numpy() > 0]
    return np.unique(kept, return_inverse=True)[1].reshape(-1)


def _counts(together: np.ndarray | None, n: int, columns: int, seed: int, resamples: int) -> Iterator[Tensor]:
    """`resample_counts` of rows, or of groups, whose rows are drawn with them."""
    if together is None or not n:
        yield from resample_counts(n, columns, seed=seed, resamples=resamples)
        return
    groups = int(together.max()) + 1
    for counts in resample_counts(groups, columns * -(-n // groups), seed=seed, resamples=resamples):
        yield counts[:, torch.from_numpy(together)]


def existing(output: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """The rows whose weight is not 0, on the CPU, with weights in float64 (1 if none were given)."""
    output, target = output.detach().cpu(), target.detach().cpu()
    if weight is None:
        return output, target, torch.ones(output.shape[0], dtype=torch.float64)
    weight = weight.detach().cpu().to(torch.float64)
    keep = weight > 0
    return output[keep], target[keep], weight[keep]


def _by_weight(function: MetricFunction, output: Tensor, target: Tensor) -> Callable[[Tensor], Tensor]:
    """The score as a function of the weights alone; our own metrics then clean and sort the rows once."""
    if isinstance(function, Measure):
        rows = function.rows(output, target)
        return lambda weight: function.of(Sample(rows, weight))
    return lambda weight: function(output, target, weight)


def _resampled(
    score: Callable[[Tensor], Tensor],
    weight: Tensor,
    columns: int,
    seed: int,
    resamples: int,
    level: float,
    together: np.ndarray | None,
) -> Interval:
    """The score of the weights as they are, and its interval."""
    pieces = _counts(together, len(weight), columns, seed, resamples)
    return _interval(score(weight), [score(counts * weight) for counts in pieces], level)


def _interval(value: Tensor, drawn: list[Tensor], level: float) -> Interval:
    """The value between the quantiles (1 ∓ level)/2 of what was drawn and is defined."""
    if math.isnan(float(value)):
        return Interval(math.nan, math.nan, math.nan)
    numbers = torch.cat([scores.reshape(-1) for scores in drawn]).numpy()
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return Interval(float(value), math.nan, math.nan)
    low, high = np.quantile(numbers, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))
