"""What a report says of samples and codes: are samples like the rows, new, and of every kind; do codes tell
what labels tell?

Plain functions on NumPy arrays. Letters: N rows, N' others, D numbers of a row, C centres, K of a code.
None of these scores alone says that samples are good: copies of the training rows pass every comparison with
rows but `copying`, and one perfect sample, repeated, passes `copying` alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from coterie.metrics.unsupervised import LOOKED_AT, pair_differences

# Rows that are compared with all others at once.
PIECE = 512
# Swaps of rows and samples that say what chance makes of a discrepancy.
SWAPS = 1000


class TwoSamples(NamedTuple):
    """accuracy: of telling rows from samples, ½ if nothing tells them apart; chance: how often it would be as
    far from ½ if nothing did; judged: rows and samples that were told apart."""

    accuracy: float
    chance: float
    judged: int


class Discrepancy(NamedTuple):
    """value: squared MMD; limit: 95 % of two real samples of this size stay below it; chance: how often these
    reach the value."""

    value: float
    limit: float
    chance: float


class Coverage(NamedTuple):
    """covered, modes: how many centres have samples, of how many; near: the share of samples within the
    radius of a centre; shares (C,): of all samples, those near each centre."""

    covered: int
    modes: int
    near: float
    shares: np.ndarray


class Copying(NamedTuple):
    """samples, held_out: the median distance to the nearest training row, of samples and of rows not trained
    on; ratio: the first by the second; distance, nearest (N,): each sample's own, and which row it is of."""

    samples: float
    held_out: float
    ratio: float
    distance: np.ndarray
    nearest: np.ndarray


class Agreement(NamedTuple):
    """adjusted_rand: 1 the same groups, 0 as chance has it; information: 1 each says the other, 0 nothing."""

    adjusted_rand: float
    information: float


def two_sample_score(
    real: np.ndarray, made: np.ndarray, *, method: str = "neighbour", seed: int = 0
) -> TwoSamples:
    """Can a classifier tell samples from rows? It learns from half of each and is judged on the other half.

    real (N, D), made (N', D); of the larger one as many as of the smaller one are drawn. method: "neighbour",
    the nearest of the known ones, or "logistic" regression, which sees means only. Columns are brought to the
    rows' mean and deviation. Half a row of each makes no score: NaN below 4.
    Lopez-Paz & Oquab, "Revisiting classifier two-sample tests", 2017.

    >>> rng = np.random.default_rng(0)
    >>> two_sample_score(rng.normal(size=(400, 2)), rng.normal(3, 1, size=(400, 2))).accuracy > 0.9
    True
    """
    number = min(len(real), len(made))
    if number < 4 or not (np.isfinite(real).all() and np.isfinite(made).all()):
        return TwoSamples(math.nan, math.nan, 0)
    rng = np.random.default_rng(seed)
    x, y = (rows[rng.permutation(len(rows))[:number]].reshape(number, -1) for rows in (real, made))
    spread = x.std(0)
    x, y = ((rows - x.mean(0)) / np.where(spread > 0, spread, 1) for rows in (x, y))
    half = number // 2
    known, judged = np.concatenate([x[:half], y[:half]]), np.concatenate([x[half:], y[half:]])
    label = np.repeat([0, 1], half)
    truth = np.repeat([0, 1], number - half)
    if method == "neighbour":
        said = label[nearest(judged, known)[1]]
    else:
        assert method == "logistic", method
        said = _logistic(known, label, judged)
    accuracy = float((said == truth).mean())
    deviation = 0.5 / math.sqrt(len(judged))
    return TwoSamples(accuracy, math.erfc(abs(accuracy - 0.5) / deviation / math.sqrt(2)), len(judged))


def discrepancy(real: np.ndarray, made: np.ndarray, *, seed: int = 0) -> Discrepancy:
    """The squared MMD of samples and rows as the metric `mmd` has it, beside what chance makes of it.

    real, made: (N, D). Beyond LOOKED_AT rows, as many, evenly spaced. If both have one distribution, a row
    may as well change places with its sample: SWAPS times, each does so with probability ½.
    Gretton et al., "A kernel two-sample test", 2012.
    """
    assert real.shape == made.shape, f"as many samples as rows: {made.shape}, {real.shape}"
    number = min(len(real), LOOKED_AT)
    if number < 2 or not (np.isfinite(real).all() and np.isfinite(made).all()):
        return Discrepancy(math.nan, math.nan, math.nan)
    places = np.arange(number) * len(real) // number
    x, y = (torch.from_numpy(rows[places].reshape(number, -1).astype(np.float64)) for rows in (real, made))
    pairs = pair_differences(x, y).numpy()
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (SWAPS, number))
    chance = np.concatenate([[pairs.sum()], ((signs @ pairs) * signs).sum(1)]) / (number * (number - 1))
    return Discrepancy(
        float(chance[0]), float(np.quantile(chance[1:], 0.95)), float((chance >= chance[0] - 1e-12).mean())
    )


def mode_coverage(samples: np.ndarray, centres: np.ndarray, radius: float, fewest: int = 1) -> Coverage:
    """Which of the known modes have samples: at least `fewest` within the radius of the centre.

    samples (N, D), centres (C, D). A sample belongs to its nearest centre. Of Gaussian modes of deviation σ
    in two dimensions, 98.9 % of the rows are within 3σ.

    >>> mode_coverage(np.array([[0.0, 0.1], [0.0, 0.0], [9.0, 9.0]]), np.array([[0, 0], [1, 1]]), 0.3)[:3]
    (1, 2, 0.6666666666666666)
    """
    if not len(samples):
        return Coverage(0, len(centres), math.nan, np.full(len(centres), math.nan))
    distance, mode = nearest(samples, centres)
    count = np.bincount(mode[distance <= radius], minlength=len(centres))
    covered = int((count >= max(1, fewest)).sum())
    return Coverage(covered, len(centres), float(count.sum() / len(samples)), count / len(samples))


def copying(samples: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> Copying:
    """Are samples nearer to the rows that were trained on than other rows of the same kind are?

    samples (N, D), training (N', D), held_out (N'', D), Euclidean distances. A ratio well below 1 speaks of
    copies; one well above 1 of samples that are not like the rows at all.

    >>> rng = np.random.default_rng(0)
    >>> training, others = rng.normal(size=(2, 200, 3))
    >>> copying(training[:50] + 0.01, training, others).ratio < 0.1
    True
    """
    distance, place = nearest(samples, training)
    others, _ = nearest(held_out, training)
    of_samples, of_others = (float(np.median(d)) if d.size else math.nan for d in (distance, others))
    ratio = of_samples / of_others if of_others > 0 else math.nan
    return Copying(of_samples, of_others, ratio, distance, place)


def bits_per_dimension(nats: float, dimensions: int, unit: float = 1.0) -> float:
    """Bits for a number of a row, from its log-likelihood (or bound) in nats.

    For whole numbers, as pixels are, judged by a density: what it takes to write a number down, if the
    density hardly varies within a step. unit: the step, in the unit of the density (1/255 where 0…255 became
    0…1).

    >>> bits_per_dimension(-64 * math.log(16), 64)
    4.0
    """
    return -(nats / dimensions + math.log(unit)) / math.log(2)


def cluster_agreement(clusters: np.ndarray, labels: np.ndarray) -> Agreement:
    """Do clusters (N,) group the rows as labels (N,) do? The names of the groups do not matter.

    Hubert & Arabie, "Comparing partitions", 1985; normalised mutual information: Strehl & Ghosh, 2002 (here
    by the mean of both entropies, as scikit-learn has it), which rises with the number of clusters.
    """
    if not len(labels):
        return Agreement(math.nan, math.nan)
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return Agreement(
        float(adjusted_rand_score(labels, clusters)), float(normalized_mutual_info_score(labels, clusters))
    )


def neighbour_accuracy(
    codes: np.ndarray, labels: np.ndarray, judged: np.ndarray, truth: np.ndarray, neighbours: int = 10
) -> float:
    """The share of judged codes whose label most of their nearest known codes have.

    codes (N, K) with labels (N,) are known, judged (N', K) with truth (N',) are asked for. NaN for no codes,
    or such as are not finite. Fewer known codes than neighbours: all of them are asked.
    """
    if not _comparable(codes, judged):
        return math.nan
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(min(neighbours, len(codes))).fit(_flat(codes), labels)
    return float((model.predict(_flat(judged)) == truth).mean())


def probe_accuracy(codes: np.ndarray, labels: np.ndarray, judged: np.ndarray, truth: np.ndarray) -> float:
    """The share of judged codes whose label a linear classifier finds that learned from the known ones.

    Arguments as in `neighbour_accuracy`. Multinomial logistic regression on codes of deviation 1, with a weak
    ridge: how plainly codes say the label, not whether they do at all.
    Alain & Bengio, "Understanding intermediate layers using linear classifier probes", 2016.
    """
    if not _comparable(codes, judged):
        return math.nan
    codes, judged = _flat(codes), _flat(judged)
    spread = codes.std(0)
    spread = np.where(spread > 0, spread, 1)
    codes, judged = (codes - codes.mean(0)) / spread, (judged - codes.mean(0)) / spread
    return float((_logistic(codes, labels, judged) == truth).mean())


def nearest(rows: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) distance of each row (N, D) to the nearest of others (N', D), and (N,) which that is."""
    rows, others = _flat(rows), _flat(others)
    centre = others.mean(0)  # near 0, a difference of squares loses fewer digits
    rows, others = rows - centre, others - centre
    sizes = np.square(others).sum(1)
    place = np.zeros(len(rows), np.int64)
    for begin in range(0, len(rows), PIECE):
        place[begin : begin + PIECE] = (sizes - 2 * rows[begin : begin + PIECE] @ others.T).argmin(1)
    return np.linalg.norm(rows - others[place], axis=1), place


def _flat(rows: np.ndarray) -> np.ndarray:
    """(N, D) float64."""
    return np.asarray(rows, np.float64).reshape(len(rows), math.prod(rows.shape[1:]))


def _comparable(codes: np.ndarray, judged: np.ndarray) -> bool:
    return bool(len(codes) and len(judged) and np.isfinite(codes).all() and np.isfinite(judged).all())


def _logistic(known: np.ndarray, labels: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """(N',) labels of judged (N', K) by logistic regression on known (N, K), labels (N,)."""
    if len(np.unique(labels)) == 1:
        return np.full(len(judged), labels[0])
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=5000).fit(known, labels).predict(judged)
