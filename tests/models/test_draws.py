"""Numbers drawn for augmentation: their range, their law, and that each row has its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from coterie.models.draws import Draws
from coterie.models.mixing import partners


def draws(rows: int, key: int = 5, dtype: torch.dtype = torch.float64) -> Draws:
    return Draws(torch.tensor(key), rows, dtype)


def test_uniform_numbers_are_uniform_and_never_at_the_ends() -> None:
    u = draws(20000).uniform(3)
    assert u.min() > 0
    assert u.max() < 1
    assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-4
    single = draws(20000, dtype=torch.float32).uniform(3)
    assert torch.equal(single.double(), u)
    assert single.max() < 1


def test_words_and_keys_give_unrelated_numbers() -> None:
    many = torch.stack([draws(5000, key).uniform(word) for key in (5, 6) for word in (0, 1, 2)])
    assert torch.corrcoef(many).fill_diagonal_(0).abs().max() < 4.5 / 5000**0.5


def test_within_reaches_both_ends() -> None:
    x = draws(5000).within(1, torch.tensor(4.0).double())
    assert -4 < x.min() < -3.98
    assert 3.98 < x.max() < 4


@pytest.mark.parametrize("numbers", [1, 2, 7])
def test_normal_numbers_are_normal(numbers: int) -> None:
    x = draws(6000).normal(2, numbers)
    assert x.shape == (6000, numbers)
    assert stats.kstest(x.flatten().numpy(), "norm").pvalue > 1e-4
    if numbers > 1:
        assert torch.corrcoef(x.T).fill_diagonal_(0).abs().max() < 4.5 / 6000**0.5
        assert torch.corrcoef(x.T.square()).fill_diagonal_(0).abs().max() < 4.5 / 6000**0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("a", [0.02, 0.2, 0.5, 1.0, 3.0, 100.0])
def test_beta_numbers_are_of_their_law(a: float, dtype: torch.dtype) -> None:
    x = draws(20000, dtype=dtype).symmetric_beta(4, torch.tensor(a, dtype=dtype))
    assert x.isfinite().all()
    assert x.min() >= 0
    assert x.max() <= 1
    x = x.double().numpy()
    law = stats.beta(a, a)
    assert abs(x.mean() - 0.5) < 4 * law.std() / len(x) ** 0.5
    assert np.mean((x - 0.5) ** 2) == pytest.approx(law.var(), rel=0.03)
    inside = np.linspace(0.001, 0.999, 200)  # at the very ends the law of a small a is finer than rounding
    found = np.searchsorted(np.sort(x), inside) / len(x)
    assert np.abs(found - law.cdf(inside)).max() < 2 / len(x) ** 0.5


def test_partners_are_all_other_real_rows_alike() -> None:
    present = torch.tensor([1, 0, 1, 1, 0, 1.0])
    seen = torch.stack([partners(present, draws(6, key).uniform(0)) for key in range(3000)])
    real = {0, 2, 3, 5}
    for row in range(6):
        counts = torch.bincount(seen[:, row], minlength=6)
        wanted = real - {row} if row in real else {row}
        assert set(counts.nonzero().flatten().tolist()) == wanted
        assert counts[counts > 0].min() > 3000 / len(wanted) * 0.9


def test_the_only_row_is_its_own_partner() -> None:
    chance = draws(3).uniform(0)
    assert partners(torch.tensor([1.0, 0, 0]), chance).tolist() == [0, 1, 2]
    assert partners(torch.zeros(3), chance).tolist() == [0, 1, 2]
