"""The contrastive loss against its formula, pair by pair, and what padding and one row alone do to it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from coterie.objectives.contrastive import found_among, nt_xent, unit

T = torch.tensor(0.3, dtype=torch.float64)


def views(rows: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, rows, 4, generator=g, dtype=torch.float64)
    return first, second


def pair_loss(all_views: list[Tensor], i: int, j: int) -> float:
    """Equation 1 of Chen et al., 2020, as it stands there."""

    def likeness(a: Tensor, b: Tensor) -> float:
        return float(a @ b / (a.norm() * b.norm()))

    weights = [math.exp(likeness(all_views[i], v) / float(T)) for v in all_views]
    return -math.log(weights[j] / sum(w for k, w in enumerate(weights) if k != i))


def test_it_is_the_mean_of_both_directions_of_the_published_loss() -> None:
    first, second = views(5)
    both = [*first, *second]
    wanted = [(pair_loss(both, i, i + 5) + pair_loss(both, i + 5, i)) / 2 for i in range(5)]
    torch.testing.assert_close(nt_xent(first, second, T), torch.tensor(wanted, dtype=torch.float64))


def test_rows_that_only_pad_are_no_others() -> None:
    first, second = views(6)
    present = torch.tensor([1.0, 1, 0, 1, 0, 1], dtype=torch.float64)
    here = present > 0
    whole = nt_xent(first, second, T, present)
    torch.testing.assert_close(whole[here], nt_xent(first[here], second[here], T))
    assert whole.isfinite().all()
    assert not torch.allclose(whole[here], nt_xent(first, second, T)[here])
    assert nt_xent(first, second, T, torch.ones((), dtype=torch.float64)).equal(nt_xent(first, second, T))


def test_a_row_alone_has_nothing_to_be_told_apart_from() -> None:
    first, second = views(3)
    alone = nt_xent(first, second, T, torch.tensor([1.0, 0, 0], dtype=torch.float64))
    assert float(alone[0]) == pytest.approx(0, abs=1e-12)


def test_against_given_others_rows_do_not_depend_on_each_other() -> None:
    first, second = views(6)
    others = torch.cat(views(4, seed=1))
    whole = found_among(first, second, others, T)
    torch.testing.assert_close(whole[2:3], found_among(first[2:3], second[2:3], others, T))
    wanted = pair_loss([first[0], second[0], *others], 0, 1) + pair_loss([second[0], first[0], *others], 0, 1)
    assert float(whole[0]) == pytest.approx(wanted / 2)


def test_views_that_are_zero_have_a_gradient() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    nt_xent(x, x + 0, T.float()).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert unit(torch.tensor([[3.0, 4.0]])).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]
