"""How good the probabilities themselves are: log loss, Brier score, expected calibration error.

Letters: … leading axes, N rows, K classes or labels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from coterie.metrics.counts import add_up
from coterie.metrics.sample import Measure, Rows, Sample

# Float32's, whatever the output's type: a float64 baseline that says 0 must not be punished harder than
# a float32 network that says 0. (scikit-learn takes the epsilon of the type it is given.)
EPSILON = torch.finfo(torch.float32).eps
CALIBRATION_BINS = 15
MANY = 1_000_000  # rows from which a column for every bin takes too much memory


@Measure
def log_loss(sample: Sample) -> Tensor:
    """Mean negative log probability of the truth, in nats; for labels, the mean over the labels.

    Probabilities are clipped to [ε, 1 − ε] with float32's ε = 1.2e-7, so that one sure mistake costs 15.9.

    >>> log_loss(torch.tensor([[0.5, 0.5]]), torch.tensor([1])).item()  # doctest: +ELLIPSIS
    0.693...
    """
    return sample.mean(sample.rows.once(_log_losses))


@Measure
def brier(sample: Sample) -> Tensor:
    """Brier score (1950): the mean squared distance of the probabilities from the truth.

    binary: of the positive class alone, in [0, 1]; multiclass: summed over the classes, in [0, 2]; labels:
    the mean over the labels. The same conventions as scikit-learn's.
    """
    return sample.mean(sample.rows.once(_brier_scores))


@Measure
def calibration_error(sample: Sample) -> Tensor:
    """Expected calibration error: how far stated probabilities are from observed frequencies, on average.

    15 bins of equal width. multiclass: the probability of the predicted class against how often it was
    right (Guo et al., 2017); binary: the probability of the positive class against how often it was the
    truth; labels: the same for each label, averaged.
    """
    gaps = [_sums(sample, *gap).abs().sum(-1) / sample.total for gap in sample.rows.once(_gaps)]
    return torch.stack(gaps, -1).mean(-1)


def _log_losses(rows: Rows) -> Tensor:
    """(…, N)"""
    if rows.indexed:
        return -rows.probability_of_truth.clamp(EPSILON, 1 - EPSILON).log()
    probability = rows.output.clamp(EPSILON, 1 - EPSILON)
    return -torch.where(rows.truth > 0.5, probability, 1 - probability).log().mean(-1)


def _brier_scores(rows: Rows) -> Tensor:
    """(…, N)"""
    if rows.binary:
        return (rows.output[..., 1] - rows.target).square()
    if rows.indexed:
        # Σ_k (p_k − [k = truth])² = Σ_k p_k² − 2 p_truth + 1, which needs no one-hot truth.
        return rows.output.square().sum(-1) - 2 * rows.probability_of_truth + 1
    return (rows.output - rows.truth).square().mean(-1)


def _sums(sample: Sample, gap: Tensor, bins: Tensor | None) -> Tensor:
    """The weighted gaps of each bin, (…, bins)."""
    if bins is None:
        return sample.sum_columns(gap)
    return add_up(sample.weight * gap, bins, CALIBRATION_BINS)


def _gaps(rows: Rows) -> list[tuple[Tensor, Tensor | None]]:
    """stated − happened of each row in the column of its bin (…, N, bins), or of very many rows (N,) and
    their bins (N,), for the sake of memory; one such, or one a label.

    Weighted by their rows, the bins' gaps add up to Σ over bins of |Σ w (stated − happened)| / Σ w.
    """
    if rows.binary:
        return [_in_bins(rows.output[..., 1], (rows.target == 1).to(torch.float64))]
    if rows.indexed:
        return [_in_bins(rows.output.amax(-1), (rows.predicted == rows.target).to(torch.float64))]
    return [_in_bins(rows.output[..., k], rows.truth[..., k]) for k in range(rows.outputs)]


def _in_bins(stated: Tensor, happened: Tensor) -> tuple[Tensor, Tensor | None]:
    """The difference in the column of the bin that `stated` lies in, zeros elsewhere; or it and its bin."""
    bins = (stated * CALIBRATION_BINS).floor().clamp(0, CALIBRATION_BINS - 1).to(torch.int64)
    gap = stated - happened
    if gap.dim() == 1 and len(gap) > MANY:
        return gap, bins
    columns = torch.zeros(*gap.shape, CALIBRATION_BINS, dtype=torch.float64, device=gap.device)
    return columns.scatter_(-1, bins.expand(gap.shape).unsqueeze(-1), gap.unsqueeze(-1)), None
