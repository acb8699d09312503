"""Thresholds for two classes, and intervals from residuals."""

import math

import numpy as np
import pytest
import sklearn.metrics as sk
import torch

from coterie.errors import DataError
from coterie.metrics.conformal import residual_half_width
from coterie.metrics.thresholds import choose_threshold, threshold_table


@pytest.mark.parametrize("weighted", [False, True])
def test_table(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    p, y = rng.random(100), rng.integers(0, 2, 100)
    w = rng.integers(0, 3, 100).astype(float) if weighted else None
    table = threshold_table(torch.tensor(p), torch.tensor(y), None if w is None else torch.tensor(w))
    assert [row["threshold"] for row in table] == [pytest.approx(step / 20) for step in range(1, 20)]
    for row in table:
        said = p >= row["threshold"]
        (tn, fp), (fn, tp) = sk.confusion_matrix(y, said, sample_weight=w)
        assert row["sensitivity"] == pytest.approx(tp / (tp + fn))
        assert row["specificity"] == pytest.approx(tn / (tn + fp))
        assert row["precision"] == pytest.approx(tp / (tp + fp))
        assert row["npv"] == pytest.approx(tn / (tn + fn))
        assert row["f1"] == pytest.approx(sk.f1_score(y, said, sample_weight=w))
        assert row["accuracy"] == pytest.approx(sk.accuracy_score(y, said, sample_weight=w))
        assert row["flagged"] == pytest.approx(np.average(said, weights=w))


@pytest.mark.parametrize("seed", range(5))
def test_chosen_threshold_is_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 60)
    p = np.round((rng.random(60) + y) / 2, 1 if seed % 2 else 6)
    w = rng.random(60)

    def youden(threshold: float) -> float:
        said = p >= threshold
        return w[said & (y == 1)].sum() / w[y == 1].sum() - w[said & (y == 0)].sum() / w[y == 0].sum()

    chosen = choose_threshold(torch.tensor(p), torch.tensor(y), torch.tensor(w))
    scores = np.unique(p)
    middles = (scores[1:] + scores[:-1]) / 2
    assert np.abs(middles - chosen).min() < 1e-12
    assert youden(chosen) == pytest.approx(max(youden(middle) for middle in middles))


def test_of_equals_the_closest_to_one_half() -> None:
    p, y = torch.tensor([0.1, 0.3, 0.6, 0.9]), torch.tensor([0, 1, 0, 1])
    assert choose_threshold(p, y) == pytest.approx(0.75)  # 0.2 is as good, and further away
    assert choose_threshold(p, torch.ones(4)) == 0.5
    assert choose_threshold(torch.full((4,), 0.2), y) == 0.5
    assert choose_threshold(p, 1 - torch.tensor([0, 0, 1, 1])) == 0.5  # worse than nothing at every threshold
    padded = choose_threshold(
        torch.cat([p, torch.tensor([0.5, math.nan])]), torch.cat([y, y[:2]]), torch.tensor([1.0] * 4 + [0, 0])
    )
    assert padded == pytest.approx(0.75)


def test_half_width_is_the_right_order_statistic() -> None:
    residuals = torch.stack([torch.arange(1.0, 20.0), torch.arange(19.0, 0.0, -1) * 10], -1)
    assert residual_half_width(residuals, 0.9).tolist() == [18.0, 180.0]
    assert residual_half_width(residuals[:8], 0.9).tolist() == [math.inf, math.inf]
    assert residual_half_width(residuals[:9], 0.9)[0] == 9.0
    assert residual_half_width(torch.arange(1.0, 100.0)[:, None], 0.07).item() == 7.0  # not 8 by rounding
    with_gap = torch.tensor([[1.0], [math.nan], [2.0], [3.0]])
    assert residual_half_width(with_gap, 0.5).item() == 2.0
    with pytest.raises(DataError, match="between 0 and 1"):
        residual_half_width(residuals, 90)


def test_half_width_covers_what_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    held = []
    for _ in range(200):
        width = residual_half_width(torch.randn(50, 1, generator=generator).abs(), 0.8)
        held.append((torch.randn(500, generator=generator).abs() <= width).double().mean().item())
    assert 0.79 <= np.mean(held) <= 0.83
