"""Scores without labels: columns that stand for themselves, and a discrepancy without bias."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from coterie.data import synthetic
from coterie.metrics import unsupervised
from coterie.metrics.intervals import resample_counts
from coterie.metrics.likeness import discrepancy
from coterie.metrics.sample import Sample
from coterie.metrics.unsupervised import (
    LOOKED_AT,
    MEASURES,
    Appraised,
    mmd,
    pair_differences,
    row_means,
)

S = len(MEASURES)


def said(*lead: int, seed: int = 0, **columns: float) -> Tensor:
    """Outputs (…, S), NaN but for the columns that are named: random numbers around what is given."""
    generator = torch.Generator().manual_seed(seed)
    output = torch.full((*lead, S), torch.nan, dtype=torch.float64)
    for name, value in columns.items():
        noise = torch.randn(lead, generator=generator, dtype=torch.float64)
        output[..., MEASURES.index(name)] = value + noise
    return output


def beside(real: Tensor, made: Tensor) -> Tensor:
    """Outputs of a family that only samples."""
    return torch.cat([said(*real.shape[:-1]), made, real], -1)


def points(*lead: int, seed: int, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*lead, 2, generator=generator, dtype=torch.float64) + shift


def test_the_columns_in_their_order() -> None:
    assert MEASURES[0] == "reconstruction_error"
    assert len(set(MEASURES)) == S
    output = torch.arange(float(S)).expand(3, S)
    for place, name in enumerate(MEASURES):
        assert getattr(unsupervised, name)(output).item() == place


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_is_its_columns_weighted_mean_and_asks_for_no_other(name: str) -> None:
    output, weight = said(20, **{name: 3.0}), torch.arange(20.0)
    column = output[:, MEASURES.index(name)].numpy()
    found = getattr(unsupervised, name)(output, None, weight).item()
    assert found == pytest.approx(np.average(column, weights=weight.numpy()), rel=1e-12)
    others = [getattr(unsupervised, other)(output, None, weight) for other in MEASURES if other != name]
    assert all(math.isnan(other) for other in others)


def test_all_means_at_once_are_those_one_by_one() -> None:
    output = said(3, 20, realness=0.5, log_likelihood=-4.0)
    output[1, :, MEASURES.index("log_likelihood")] = torch.nan
    output[:, 19] = torch.nan  # padding
    weight = torch.arange(20.0).expand(3, 20).clone()
    weight[:, 19] = 0
    found = row_means(torch.cat([output, points(3, 20, seed=1)], -1), weight)
    assert set(found) == {"realness", "log_likelihood"}
    for name, values in found.items():
        wanted = getattr(unsupervised, name)(output, None, weight)
        torch.testing.assert_close(values, wanted, equal_nan=True)
    assert found["log_likelihood"].isnan().tolist() == [False, True, False]


def test_a_row_without_weight_does_not_exist_and_one_with_weight_must_be_known() -> None:
    output = said(4, log_likelihood=-2.0)
    output[3] = torch.nan
    output[2, 1] = -torch.inf
    score = unsupervised.log_likelihood
    assert score(output, None, torch.tensor([1.0, 1, 0, 0])) == output[:2, 1].mean()
    assert score(output, None, torch.tensor([1.0, 1, 1, 0])).isnan()
    assert score(output, None, torch.tensor([1.0, 1, 0, 1])).isnan()
    assert score(output, None, torch.zeros(4)).isnan()
    assert score(output[:0]).isnan()
    assert score(output[:0], None, torch.zeros(0)).isnan()


def mixed(square: float, width: float) -> float:
    """The mean of kernels of four widths, each half as wide as the one before."""
    return sum(math.exp(-square / (2 * (width / 2**i) ** 2)) for i in range(4)) / 4


def brute_force(real: np.ndarray, made: np.ndarray, weight: np.ndarray) -> float:
    n = len(real)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    width = np.median([np.linalg.norm(real[i] - real[j]) for i, j in pairs if i < j])
    k = lambda a, b: mixed(((a - b) ** 2).sum(), width)  # noqa: E731
    each = {
        (i, j): k(real[i], real[j]) + k(made[i], made[j]) - k(real[i], made[j]) - k(real[j], made[i])
        for i, j in pairs
    }
    total = sum(weight[i] * weight[j] for i, j in pairs)
    return sum(weight[i] * weight[j] * each[i, j] for i, j in pairs) / total


def test_mmd_by_its_definition() -> None:
    real, made = points(7, seed=1), points(7, seed=2, shift=0.5)  # 21 pairs: the median is one of them
    weight = torch.tensor([1.0, 2, 1, 3, 1, 0.5, 1], dtype=torch.float64)
    wanted = brute_force(real.numpy(), made.numpy(), np.ones(7))
    assert mmd(beside(real, made)).item() == pytest.approx(wanted, rel=1e-10)
    wanted = brute_force(real.numpy(), made.numpy(), weight.numpy())
    assert mmd(beside(real, made), None, weight).item() == pytest.approx(wanted, rel=1e-10)
    # far from 0 the squares of distances keep their digits
    assert mmd(beside(real + 1e5, made + 1e5), None, weight).item() == pytest.approx(wanted, rel=1e-5)


def test_mmd_is_0_on_average_where_there_is_no_difference_and_above_where_there_is() -> None:
    found = torch.stack([mmd(beside(points(40, seed=i), points(40, seed=1000 + i))) for i in range(200)])
    assert abs(found.mean()) < 4 * found.std() / math.sqrt(200)
    assert 0.3 < (found < 0).double().mean() < 0.8
    moved = mmd(beside(points(40, seed=1), points(40, seed=2, shift=1.0)))
    assert moved > found.max()
    real = points(40, seed=1)
    collapsed = real[:1].expand(40, 2)
    assert mmd(beside(real, collapsed)) > found.max()


def test_mmd_asks_no_row_of_weight_0() -> None:
    real, made = points(30, seed=1), points(30, seed=2)
    output, weight = beside(real, made), torch.ones(30)
    output[20:] = torch.nan
    weight[20:] = 0
    assert mmd(output, None, weight) == mmd(beside(real[:20], made[:20]))
    output[20:] = 1e6  # neither in the kernel's width
    assert mmd(output, None, weight) == mmd(beside(real[:20], made[:20]))
    output[3, S] = torch.nan
    assert mmd(output, None, weight).isnan()
    weight[3] = 0
    assert mmd(output, None, weight).isfinite()


def test_no_samples_or_no_two_rows_no_score() -> None:
    assert mmd(said(5, log_likelihood=0.0)).isnan()
    assert mmd(said(3, 5, log_likelihood=0.0), None, torch.ones(5)).shape == (3,)
    output = beside(points(5, seed=1), points(5, seed=2))
    assert mmd(output[:1]).isnan()
    assert mmd(output[:0]).isnan()
    assert mmd(output, None, torch.tensor([0.0, 3.3, 0, 0, 0])).isnan()
    assert mmd(output, None, torch.tensor([[0.0, 3.3, 0, 0, 0], [1.0, 1, 0, 0, 0]])).isnan().tolist() == [
        True,
        False,
    ]
    assert mmd(output[:2]).isfinite()


def test_rows_that_are_all_equal_have_a_kernel_too() -> None:
    same = torch.ones(6, 2)
    assert mmd(beside(same, same)).item() == 0
    assert mmd(beside(same, same + 1)).item() == pytest.approx(2 * (1 - mixed(2, 1)), rel=1e-9)
    few = torch.cat([torch.ones(5, 2), torch.zeros(1, 2)])  # most are equal: the median is 0
    other = torch.cat([torch.ones(2, 2), torch.zeros(4, 2)])
    width = 5 / 15 * math.sqrt(2)  # the mean distance instead
    near = mixed(2, width)
    # pairs of the 3 rows that the sample has elsewhere, and h of such a pair is 2 − 2k
    assert mmd(beside(few, other)).item() == pytest.approx(6 * (2 - 2 * near) / 30, rel=1e-9)


def test_a_ring_of_points_is_told_from_one_cloud() -> None:
    """One kernel as wide as the data hardly tells: then a good network seemed no better than a Gaussian."""
    rng = np.random.default_rng(0)
    columns = [synthetic.ring(400, seed=seed)[0] for seed in (1, 2)]
    real, other = (np.stack([c["x1"], c["x2"]], 1) for c in columns)
    cloud = rng.multivariate_normal(real.mean(0), np.cov(real.T), 400)
    assert discrepancy(real, cloud).chance < 0.01
    assert discrepancy(real, other).chance > 0.05


def test_many_rows_are_looked_at_evenly() -> None:
    n = 2 * LOOKED_AT
    real, made = points(n, seed=1), points(n, seed=2)
    assert mmd(beside(real, made)) == mmd(beside(real[::2], made[::2]))
    weight = torch.arange(2).repeat(LOOKED_AT).double()  # of those that are there
    assert mmd(beside(real, made), None, weight) == mmd(beside(real[1::2], made[1::2]))


def test_batched_equals_looped() -> None:
    output = beside(points(3, 4, 30, seed=1), points(3, 4, 30, seed=2, shift=0.3))
    output[..., 1] = points(3, 4, 30, seed=3)[..., 0]
    weight = torch.randint(0, 3, (3, 4, 30), generator=torch.Generator().manual_seed(0)).double()
    weight[2, 3, 10:] = 0
    for measure in (mmd, unsupervised.log_likelihood):
        batched = measure(output, None, weight)
        shared = measure(output, None, weight[0, 0])
        for i in range(3):
            for j in range(4):
                torch.testing.assert_close(batched[i, j], measure(output[i, j], None, weight[i, j]))
                torch.testing.assert_close(shared[i, j], measure(output[i, j], None, weight[0, 0]))


def test_resamples_are_weights_and_their_mean_is_the_score() -> None:
    """A row that is drawn twice is not its own neighbour: else every resample would be above the score."""
    n = 60
    rows = Appraised(beside(points(n, seed=1), points(n, seed=2, shift=1.0)))
    counts = torch.cat(list(resample_counts(n, 1, seed=0, resamples=2000)))
    drawn = mmd.of(Sample(rows, counts))
    assert drawn.shape == (2000,)
    for i in range(3):
        torch.testing.assert_close(drawn[i], mmd.of(Sample(rows, torch.stack([counts[i], counts[0]])))[0])
    value = mmd.of(Sample(rows))
    assert abs(drawn.mean() - value) < 4 * drawn.std() / math.sqrt(2000)
    low, high = drawn.quantile(0.025), drawn.quantile(0.975)
    assert 0 < low < value < high


def test_a_row_that_changes_places_with_its_sample_changes_signs() -> None:
    real, made = points(9, seed=1), points(9, seed=2)
    real[1], made[1] = made[1].clone(), real[1].clone()
    pairs = pair_differences(real, made)
    torch.testing.assert_close(pairs, pairs.T)
    assert not pairs.diagonal().any()
    other_real, other_made = real.clone(), made.clone()
    other_real[4], other_made[4] = made[4], real[4]
    signs = torch.ones(9, dtype=torch.float64)
    signs[4] = -1
    changed = pair_differences(other_real, other_made) * signs * signs[:, None]
    # but for the kernel's width, which is of the rows alone
    torch.testing.assert_close(changed, pairs, atol=0.1, rtol=0)
    assert torch.equal(changed.sign()[4], pairs.sign()[4])


def test_outputs_in_single_precision_and_of_a_wrong_width() -> None:
    output = beside(points(20, seed=1), points(20, seed=2)).float()
    assert mmd(output).dtype == torch.float64
    with pytest.raises(AssertionError, match="two equal parts"):
        mmd(output[:, :-1])
    with pytest.raises(AssertionError):
        mmd(output[:, :3])
