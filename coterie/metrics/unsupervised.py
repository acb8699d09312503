"""Scores of what was learned without labels: what a family says of each row, and how its samples compare.

Letters: … leading axes (members, resamples), N rows, n of them that are looked at, S measures, D numbers of a
row.

A family without labels is judged by an output (…, N, S + 2D): first the S columns of MEASURES, NaN where the
family has no such measure; then, only if it samples, D numbers of a sample drawn for the row and the D
numbers of the row itself. A column that is NaN takes nothing from the others: `Appraised` are rows of which
no value makes the whole unusable.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from coterie.metrics.sample import Measure, Rows, Sample

# what families judge rows by, and may be selected by
JUDGED: tuple[str, ...] = (
    "reconstruction_error",
    "log_likelihood",
    "evidence_bound",
    "pseudo_likelihood",
    "denoising_error",
    "contrastive_loss",
    "masked_loss",
    "episode_return",
)
# what follows from these, or from a game's second player: told, and not selected by
DERIVED: tuple[str, ...] = ("bits_per_dimension", "realness", "sample_realness")
MEASURES = JUDGED + DERIVED
# Rows, and samples, that a comparison looks at: its cost grows with their square.
LOOKED_AT = 500


class Appraised(Rows):
    """Outputs (…, N, S) or (…, N, S + 2D), kept as they are. No truth is beside them: targets are ignored."""

    def __init__(self, output: Tensor, target: Tensor | None = None) -> None:
        if output.device.type == "mps":  # has no float64
            output = output.cpu()
        output = output.detach().to(torch.float64)
        if not output.shape[-2]:  # one row, of which nothing is known: no formula meets none
            output = output.new_full((*output.shape[:-2], 1, output.shape[-1]), torch.nan)
        width = output.shape[-1] - len(MEASURES)
        assert width in range(0, width + 1, 2), (
            f"{len(MEASURES)} measures and two equal parts: {output.shape}"
        )
        self.numbers = width // 2
        self.indexed = False
        self.outputs = output.shape[-1]
        self.output = output
        self.target = output[..., :0]
        self.unusable = torch.zeros(output.shape[:-1], dtype=torch.bool, device=output.device)
        self._known = {}

    @property
    def made(self) -> Tensor:
        """(…, N, D): the sample that was drawn for each row."""
        return self.output[..., len(MEASURES) : len(MEASURES) + self.numbers]

    @property
    def real(self) -> Tensor:
        """(…, N, D): each row itself."""
        return self.output[..., len(MEASURES) + self.numbers :]


class Appraisal(Measure):
    """A metric of `Appraised` rows: call it with outputs, or give its `of` a sample of such rows."""

    rows = Appraised  # what it makes of outputs and targets

    def __call__(self, output: Tensor, target: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        return self.of(Sample(Appraised(output, target), weight))


@Appraisal
def reconstruction_error(sample: Sample) -> Tensor:
    """Mean squared error of a number of the row that went through its code, scaled as the network sees it."""
    return _mean(sample, "reconstruction_error")


@Appraisal
def log_likelihood(sample: Sample) -> Tensor:
    """Mean logarithm of the probability, or density, that the model gives to a row: nats a row, exact."""
    return _mean(sample, "log_likelihood")


@Appraisal
def evidence_bound(sample: Sample) -> Tensor:
    """A number that the mean log-likelihood is not below: nats a row (Jordan et al., 1999)."""
    return _mean(sample, "evidence_bound")


@Appraisal
def pseudo_likelihood(sample: Sample) -> Tensor:
    """Sum of the log probabilities of each number of a row given all its others, nats a row (Besag, 1975)."""
    return _mean(sample, "pseudo_likelihood")


@Appraisal
def denoising_error(sample: Sample) -> Tensor:
    """Mean squared error of what was made of noisy rows, or of the noise that was found in them, a number."""
    return _mean(sample, "denoising_error")


@Appraisal
def contrastive_loss(sample: Sample) -> Tensor:
    """Mean log loss of finding a row's other view among those of other rows (van den Oord et al., 2018)."""
    return _mean(sample, "contrastive_loss")


@Appraisal
def masked_loss(sample: Sample) -> Tensor:
    """Mean log loss of a hidden token, told from the rest of its text: nats a token (Devlin et al., 2019)."""
    return _mean(sample, "masked_loss")


@Appraisal
def episode_return(sample: Sample) -> Tensor:
    """Mean sum of the rewards of an episode; here a row is an episode."""
    return _mean(sample, "episode_return")


@Appraisal
def bits_per_dimension(sample: Sample) -> Tensor:
    """Mean of the negative log-likelihood, or of its bound, in bits for each number of a row."""
    return _mean(sample, "bits_per_dimension")


@Appraisal
def realness(sample: Sample) -> Tensor:
    """Mean of what a game's second player says of rows: D(x), a probability, or a critic's value."""
    return _mean(sample, "realness")


@Appraisal
def sample_realness(sample: Sample) -> Tensor:
    """Mean of what it says of as many samples: D(G(z))."""
    return _mean(sample, "sample_realness")


@Appraisal
def mmd(sample: Sample) -> Tensor:
    """Squared maximum mean discrepancy of samples and rows, without bias (Gretton et al., 2012, lemma 6).

    The mean over pairs of rows i ≠ j of k(xᵢ, xⱼ) + k(yᵢ, yⱼ) − k(xᵢ, yⱼ) − k(xⱼ, yᵢ), with rows x, the
    samples y drawn for them and the kernel k of `pair_differences`. 0 is expected if both have one
    distribution, so that such scores are often below 0. NaN without samples, or two rows.

    Of rows whose weight is not 0, at most LOOKED_AT are looked at, evenly spaced by position; where many
    weights share the rows (resamples), of all rows, so that each resample is of the same ones. A weight
    counts its row so many times, but never against itself: the mean over resamples is then the score.
    """
    rows = sample.rows
    assert isinstance(rows, Appraised), "samples are compared in rows that are `Appraised`"
    if not rows.numbers:
        return _mean(sample, "reconstruction_error") * torch.nan
    lost = rows.once(_lost)
    if rows.output.dim() == 2 and sample.weight.dim() > 1:
        places, pairs = rows.once(_shared_pairs)
        score = _mean_of_pairs(pairs, sample.weight[..., places])
    else:
        score = _one_by_one(rows, sample.weight)
    return torch.where(sample.sum(lost.to(torch.float64)) > 0, torch.nan, score)


def row_means(output: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Of outputs (…, N, S or more), weight (…, N): {measure: (…)}, those left out that nobody has.

    The same means as the metrics of these names, all at once and without intervals: to be told every epoch.
    """
    weight = weight[..., None].to(output.dtype)
    values = torch.where(weight > 0, output[..., : len(MEASURES)], 0.0)
    means = (values * weight).sum(-2) / weight.sum(-2)
    found = zip(MEASURES, means.unbind(-1), strict=True)
    return {name: mean for name, mean in found if not bool(mean.isnan().all())}


def pair_differences(real: Tensor, made: Tensor) -> Tensor:
    """(n, n): k(xᵢ, xⱼ) + k(yᵢ, yⱼ) − k(xᵢ, yⱼ) − k(xⱼ, yᵢ) of rows x and y (n, D), 0 on the diagonal.

    k is the mean of four Gaussian kernels, of widths σ, σ/2, σ/4 and σ/8 (Li, Swersky & Zemel, "Generative
    moment matching networks", 2015, on such mixtures), σ being the median distance of two rows of x (the mean
    one if most are equal): the widest alone hardly tells a ring of points from one cloud. If xᵢ and yᵢ change
    places, row and column i change their signs and nothing else.
    """
    centre = real.mean(0)  # near 0, a difference of squares loses fewer digits
    real, made = real - centre, made - centre
    real_size, made_size = real.square().sum(1), made.square().sum(1)
    own = _squared_distances(real, real, real_size, real_size)
    apart = own[torch.ones_like(own, dtype=torch.bool).triu(1)]
    if not len(apart):
        return torch.zeros_like(own)
    width = apart.median()  # of squares: the square of the median
    width = torch.where(width > 0, width, apart.sqrt().mean().square())
    width = torch.where(width > 0, width, 1.0)
    across = _kernel(_squared_distances(real, made, real_size, made_size), width)
    within = _kernel(own, width)
    within += _kernel(_squared_distances(made, made, made_size, made_size), width)
    return (within - across - across.T).fill_diagonal_(0)


def _kernel(squares: Tensor, width: Tensor) -> Tensor:
    """(n, n) of squared distances and the square of the widest: a kernel half as wide is its fourth power."""
    widest = torch.exp(-squares / (2 * width))
    total = widest.clone()
    for _ in range(3):
        total += widest.square_().square_()
    return total / 4


def _squared_distances(a: Tensor, b: Tensor, a_size: Tensor, b_size: Tensor) -> Tensor:
    """(n, n) from rows (n, D) and their squared lengths (n,)."""
    squares = a_size[:, None] + b_size - 2 * (a @ b.T)
    # what is left of equal rows is rounding
    return torch.where(squares > 1e-13 * (a_size[:, None] + b_size), squares, 0.0)


def _mean_of_pairs(pairs: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean over i ≠ j of pairs (n, n), whose diagonal is 0; weight (…, n) → (…)."""
    total = weight.sum(-1).square() - weight.square().sum(-1)
    score = ((weight @ pairs) * weight).sum(-1) / total
    return torch.where(total > 1e-12 * weight.sum(-1).square(), score, torch.nan)


def _spaced(present: Tensor) -> Tensor:
    """Positions of rows that are present (N,): all, or LOOKED_AT of them, evenly spaced."""
    places = present.nonzero().squeeze(1)
    if len(places) <= LOOKED_AT:
        return places
    return places[torch.arange(LOOKED_AT, device=places.device) * len(places) // LOOKED_AT]


def _one_by_one(rows: Appraised, weight: Tensor) -> Tensor:
    """(…): each member's rows with its own weights; tables of pairs of all at once would fill the memory."""
    shape = torch.broadcast_shapes(rows.output.shape[:-2], weight.shape[:-1])
    weight = weight.expand(*shape, -1)
    usable = (weight > 0) & ~rows.once(_lost)
    real, made = (part.expand(*shape, -1, -1) for part in (rows.real, rows.made))
    score = weight.new_zeros(shape)
    for member in itertools.product(*map(range, shape)):
        places = _spaced(usable[member])
        pairs = pair_differences(real[member][places], made[member][places])
        score[member] = _mean_of_pairs(pairs, weight[member][places])
    return score


def _shared_pairs(rows: Rows) -> tuple[Tensor, Tensor]:
    """Which rows are looked at, and their pairs: the same for all weights."""
    assert isinstance(rows, Appraised)
    places = _spaced(~rows.once(_lost))
    return places, pair_differences(rows.real[places], rows.made[places])


def _lost(rows: Rows) -> Tensor:
    """(…, N): rows that cannot be compared, as they or their sample are not finite."""
    return ~rows.output[..., len(MEASURES) :].isfinite().all(-1)


def _mean(sample: Sample, name: str) -> Tensor:
    """The weighted mean of a measure's column: NaN where any row that counts has none."""
    values = sample.rows.output[..., MEASURES.index(name)]
    known = values.isfinite()
    mean = sample.mean(torch.where(known, values, 0.0))
    return torch.where(sample.sum((~known).to(torch.float64)) > 0, torch.nan, mean)
