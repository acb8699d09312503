"""Bootstrap intervals, paired differences and corrected standard errors."""

import math

import numpy as np
import pytest
import torch

from coterie.metrics import intervals
from coterie.metrics.catalogue import METRICS, metrics_for
from coterie.metrics.classification import accuracy
from coterie.metrics.intervals import (
    bootstrap,
    bootstrap_all,
    corrected_standard_error,
    paired_difference,
    resample_counts,
    resamples_for,
)
from coterie.metrics.probability import log_loss
from coterie.metrics.ranking import roc_auc
from coterie.metrics.regression import mae


def classes(n: int, k: int, signal: float = 0.5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, k, (n,), generator=generator)
    logits = torch.randn(n, k, generator=generator) + signal * torch.nn.functional.one_hot(target, k)
    return logits.softmax(-1), target


def test_equals_a_plain_loop_over_resampled_rows() -> None:
    output, target = classes(40, 2)
    got = bootstrap(roc_auc, output, target, seed=3, resamples=200)
    counts = torch.cat(list(resample_counts(40, 2, seed=3, resamples=200))).long()
    values = []
    for count in counts:
        rows = torch.arange(40).repeat_interleave(count)
        values.append(float(roc_auc(output[rows], target[rows])))
    low, high = np.nanquantile(values, [0.025, 0.975])
    np.testing.assert_allclose(got, [float(roc_auc(output, target)), low, high], rtol=1e-9)
    assert got.low < got.value < got.high


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_all_at_once_equal_one_by_one(task: str) -> None:
    output, target = classes(50, 2 if task == "binary" else 4)
    if task in ("multilabel", "regression"):
        target = torch.nn.functional.one_hot(target, 4).float()
    weight = torch.rand(50)
    weight[:5] = 0
    together = bootstrap_all(task, output, target, weight=weight, seed=1, resamples=100)
    assert list(together) == [metric.name for metric in metrics_for(task, output.shape[-1])]
    for name, got in together.items():
        one = bootstrap(METRICS[name].function, output, target, weight=weight, seed=1, resamples=100)
        np.testing.assert_allclose(got, one, rtol=1e-9)
        assert got.low <= got.high


def test_any_function_will_do() -> None:
    output, target = classes(30, 3)

    def error(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        return 1 - accuracy(output, target, weight)

    right = bootstrap(accuracy, output, target, seed=0, resamples=50)
    wrong = bootstrap(error, output, target, seed=0, resamples=50)
    np.testing.assert_allclose([1 - right.value, 1 - right.high, 1 - right.low], wrong, atol=1e-12)


def test_resamples_do_not_depend_on_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.cat(list(resample_counts(37, 1, seed=5, resamples=64)))
    monkeypatch.setattr(intervals, "PIECE", 100)
    pieces = list(resample_counts(37, 1, seed=5, resamples=64))
    assert len(pieces) > 10
    assert torch.equal(torch.cat(pieces), whole)
    assert (whole.sum(-1) == 37).all()
    assert not torch.equal(torch.cat(list(resample_counts(37, 1, seed=6, resamples=64))), whole)


def test_rows_of_weight_zero_do_not_exist() -> None:
    output, target = classes(40, 3)
    more = torch.cat([output, torch.full((9, 3), math.nan)])
    longer = torch.cat([target, torch.full((9,), -1)])
    weight = torch.cat([torch.ones(40), torch.zeros(9)])
    padded = bootstrap_all("multiclass", more, longer, weight=weight, seed=0, resamples=60)
    assert padded == bootstrap_all("multiclass", output, target, seed=0, resamples=60)


def test_undefined_resamples_are_left_out_and_undefined_scores_have_no_interval() -> None:
    output, target = classes(12, 2)
    target[:] = 0
    target[0] = 1  # a third of the resamples have no positive row
    got = bootstrap(roc_auc, output, target, seed=0, resamples=200)
    assert not any(math.isnan(number) for number in got)
    target[0] = 0
    assert all(math.isnan(number) for number in bootstrap(roc_auc, output, target, seed=0, resamples=20))
    nothing = bootstrap_all("binary", output[:0], target[:0], seed=0, resamples=20)
    assert all(math.isnan(number) for got in nothing.values() for number in got)


def test_coverage() -> None:
    """Of 200 samples from the same source, about 95 % of the intervals hold the true mean error."""
    generator = torch.Generator().manual_seed(0)
    truth = math.sqrt(2 / math.pi)
    held = 0
    for seed in range(200):
        error = torch.randn(60, 1, generator=generator)
        got = bootstrap(mae, error, torch.zeros(60, 1), seed=seed, resamples=400)
        held += got.low <= truth <= got.high
    assert 0.88 <= held / 200 <= 0.99


def test_paired_difference() -> None:
    output, target = classes(200, 2, signal=1.5)
    blurred = 0.5 * output + 0.25
    close = 0.98 * output + 0.02 * output.flip(0)
    same = paired_difference(METRICS["log_loss"].function, output, output, target, seed=0, resamples=100)
    assert same == (0.0, 0.0, 0.0)
    got = paired_difference(METRICS["log_loss"].function, output, blurred, target, seed=0, resamples=200)
    assert got.high < 0
    single = bootstrap(METRICS["log_loss"].function, output, target, seed=0, resamples=200)
    paired = paired_difference(METRICS["log_loss"].function, output, close, target, seed=0, resamples=200)
    assert paired.high - paired.low < 0.3 * (single.high - single.low)


def test_corrected_standard_error() -> None:
    scores = torch.tensor([[0.8, 0.9, 1.0], [0.5, 0.5, 0.5]])
    got = corrected_standard_error(scores, 80, 20)
    np.testing.assert_allclose(got, [math.sqrt((1 / 3 + 1 / 4) * 0.01), 0], rtol=1e-6)
    assert torch.isnan(corrected_standard_error(torch.tensor([0.5]), 80, 20))
    with_gap = torch.tensor([0.8, math.nan, 0.9, 1.0])
    np.testing.assert_allclose(corrected_standard_error(with_gap, 80, 20), got[0], rtol=1e-6)


def test_very_many_rows_get_fewer_resamples() -> None:
    assert resamples_for(20_000, 1) == 2000
    assert resamples_for(100_000, 1) == 2000
    assert 100 <= resamples_for(1_000_000, 1) < 2000
    assert resamples_for(10**9, 1) == 100
    assert resamples_for(50, 1, wanted=10) == 10


def test_groups_are_drawn_whole() -> None:
    """Steps that all say the same of their row are no more evidence than the rows: intervals agree."""
    g = torch.Generator().manual_seed(0)
    target = torch.randint(2, (60,), generator=g)
    p = torch.rand(60, generator=g)
    output = torch.stack([1 - p, p], dim=1)
    rows = bootstrap(log_loss, output, target, seed=3)
    repeated, told = output.repeat_interleave(5, 0), target.repeat_interleave(5)
    steps = bootstrap(log_loss, repeated, told, seed=3, together=np.repeat(np.arange(60), 5))
    assert steps == pytest.approx(rows)
    alone = bootstrap(log_loss, repeated, told, seed=3)
    assert alone.high - alone.low < 0.7 * (rows.high - rows.low)
