"""What holds for every metric: batched equals looped, rows of weight 0 do not exist, and no rows no score."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from coterie.metrics.catalogue import METRICS, metrics_for, scores
from coterie.metrics.classes import averaged, per_class
from coterie.metrics.classification import confusion_matrix

TASKS = ("binary", "multiclass", "multilabel", "regression")
PAIRS = [(task, metric.name) for task in TASKS for metric in metrics_for(task)]


def example(task: str, n: int, seed: int, *lead: int, ties: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    k = {"binary": 2, "multiclass": 5, "multilabel": 3, "regression": 2}[task]
    raw = torch.rand(*lead, n, k, generator=generator, dtype=torch.float64)
    if ties:
        raw = (raw * 4).round() / 4
    weight = torch.randint(0, 3, (*lead, n), generator=generator).double()
    if task == "multilabel":
        return raw, torch.randint(0, 2, (*lead, n, k), generator=generator).double(), weight
    if task == "regression":
        return raw, raw + torch.randn(*lead, n, k, generator=generator, dtype=torch.float64), weight
    output = (raw + 0.1) / (raw + 0.1).sum(-1, keepdim=True)
    return output, torch.randint(0, k, (*lead, n), generator=generator), weight


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_batched_equals_looped(task: str, ties: bool) -> None:
    output, target, weight = example(task, 30, 1, 4, 3, ties=ties)
    batched = scores(output, target, weight, task)
    for i in range(4):
        for j in range(3):
            one = scores(output[i, j], target[i, j], weight[i, j], task)
            for name in batched:
                same(batched[name][i, j], one[name])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_leading_axes_broadcast(task: str, ties: bool) -> None:
    output, target, _ = example(task, 30, 2, ties=ties)
    outputs = torch.stack([output, output.flip(-1)])
    weight = torch.randint(0, 3, (5, 30), generator=torch.Generator().manual_seed(0)).double()
    resampled = scores(output, target, weight, task)  # many weights, one output
    members = scores(outputs, target, weight[0], task)  # many outputs, one target, one weight
    both = scores(outputs[:, None], target, weight, task)
    for name in resampled:
        assert resampled[name].shape == (5,)
        assert members[name].shape == (2,)
        assert both[name].shape == (2, 5)
        for r in range(5):
            same(resampled[name][r], METRICS[name].function(output, target, weight[r]))
            same(both[name][:, r], METRICS[name].function(outputs, target, weight[r]))
        same(members[name], both[name][:, 0])


@settings(max_examples=40, deadline=None)
@given(
    task=st.sampled_from(TASKS),
    n=st.integers(1, 12),
    padding=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    ties=st.booleans(),
    rubbish=st.sampled_from([math.nan, math.inf, -1e300, 0.5]),
)
def test_rows_of_weight_zero_do_not_exist(
    task: str, n: int, padding: int, seed: int, ties: bool, rubbish: float
) -> None:
    output, target, _ = example(task, n, seed, ties=ties)
    place = torch.randperm(n + padding, generator=torch.Generator().manual_seed(seed))
    weight = torch.cat([torch.ones(n), torch.zeros(padding)])[place]
    more_output = torch.cat([output, torch.full((padding, output.shape[-1]), rubbish, dtype=torch.float64)])[
        place
    ]
    fill = rubbish if target.is_floating_point() else -7
    shape = (padding, *target.shape[1:])
    more_target = torch.cat([target, torch.full(shape, fill, dtype=target.dtype)])[place]
    kept = weight > 0
    with_padding = scores(more_output, more_target, weight, task)
    without = scores(more_output[kept], more_target[kept], None, task)
    for name in without:
        same(with_padding[name], without[name])


@pytest.mark.parametrize(("task", "name"), PAIRS)
def test_a_row_that_cannot_be_scored_spoils_its_own_member_only(task: str, name: str) -> None:
    output, target, weight = example(task, 30, 3, 2)
    clean = METRICS[name].function(output, target, weight.clamp(min=1))
    assert torch.isfinite(clean).all()
    output[0, 4, 0] = math.nan
    spoilt = METRICS[name].function(output, target, weight.clamp(min=1))
    assert torch.isnan(spoilt[0])
    same(spoilt[1], clean[1])


@pytest.mark.parametrize(("task", "name"), PAIRS)
def test_no_rows_no_score(task: str, name: str) -> None:
    output, target, weight = example(task, 30, 3)
    assert torch.isnan(METRICS[name].function(output, target, torch.zeros_like(weight)))
    assert torch.isnan(METRICS[name].function(output[:0], target[:0], None))
    assert torch.isnan(METRICS[name].function(output[:0], target[:0], weight[:0]))


@pytest.mark.parametrize("task", TASKS)
def test_whole_weights_are_repeated_rows(task: str) -> None:
    output, target, weight = example(task, 25, 4, ties=True)
    times = weight.long()
    repeated = scores(output.repeat_interleave(times, 0), target.repeat_interleave(times, 0), None, task)
    for name, value in scores(output, target, weight, task).items():
        same(value, repeated[name])


def test_worked_example() -> None:
    """Six images: 2 true positives, 2 false positives, 1 true negative, 1 false negative."""
    said = torch.tensor([1, 1, 1, 1, 0, 0])
    target = torch.tensor([1, 1, 0, 0, 0, 1])
    output = torch.nn.functional.one_hot(said, 2) * 0.8 + 0.1
    got = {name: value.item() for name, value in scores(output, target, None, "binary").items()}
    assert got["specificity"] == pytest.approx(1 / 3)
    assert got["recall"] == pytest.approx(2 / 3)
    assert got["precision"] == pytest.approx(2 / 4)
    assert got["accuracy"] == pytest.approx(3 / 6)
    assert got["false_positive_rate"] == pytest.approx(2 / 3)
    assert got["miss_rate"] == pytest.approx(1 / 3)
    assert got["negative_predictive_value"] == pytest.approx(1 / 2)
    assert confusion_matrix(output, target).tolist() == [[1, 2], [1, 2]]


def test_what_is_not_defined() -> None:
    output = torch.tensor([[0.9, 0.1], [0.8, 0.2]])
    got = scores(output, torch.tensor([0, 0]), torch.tensor([0.1, 0.7]), "binary")
    assert all(
        math.isnan(got[name]) for name in ("recall", "precision", "f1", "roc_auc", "average_precision")
    )
    assert got["specificity"] == 1
    assert got["matthews"] == 0
    assert got["balanced_accuracy"] == 1
    got = scores(output, torch.tensor([1, 1]), torch.tensor([0.1, 0.7]), "binary")
    assert got["precision"] == 0  # never predicted though rows have it
    assert got["average_precision"] == 1
    assert math.isnan(got["specificity"])
    assert math.isnan(got["roc_auc"])
    constant = METRICS["r2"].function(torch.rand(7, 1), torch.full((7, 1), 0.1), torch.rand(7))
    assert math.isnan(constant)


def test_a_class_that_is_neither_true_nor_predicted_counts_nowhere() -> None:
    output, target, _ = example("multiclass", 40, 6)
    narrow = output[:, :4] / output[:, :4].sum(-1, keepdim=True)
    target = target.clamp(max=3)
    wide = torch.cat([narrow, torch.zeros(40, 1)], -1)
    for name in ("precision", "recall", "f1", "roc_auc", "average_precision", "balanced_accuracy"):
        same(METRICS[name].function(wide, target, None), METRICS[name].function(narrow, target, None))
    assert per_class(wide, target)["support"][4] == 0
    assert math.isnan(per_class(wide, target)["f1"][4])


def test_averages_are_batched() -> None:
    output, target, weight = example("multiclass", 30, 7, 3)
    for average in ("macro", "micro"):
        batched = averaged(output, target, weight, average=average)
        for i in range(3):
            for name, value in averaged(output[i], target[i], weight[i], average=average).items():
                same(batched[name][i], value)
    with_rubbish = output.clone()
    with_rubbish[0, (weight[0] > 0).nonzero()[0, 0]] = math.nan
    assert math.isnan(averaged(with_rubbish, target, weight, average="micro")["f1"][0])
