"""The verdict: it says the truth in each case, and a winning baseline comes first."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from coterie.metrics.catalogue import METRICS, default_metric
from coterie.metrics.intervals import Interval
from coterie.study.scores import Judged
from coterie.study.verdict import Comparison, compare, look_at, verdict

LOSS, ACCURACY = METRICS["log_loss"], METRICS["accuracy"]
NAN = math.nan


def compared(low, high, *, metric=LOSS, name="logistic", label="logistic regression", **more) -> Comparison:
    middle = (low + high) / 2
    given = {"on": "test", "rows": 360} | more
    return Comparison(name, label, metric, 0.1 + middle, 0.1, Interval(middle, low, high), **given)


def said(comparison, *, family="mlp", test=True, folds=True) -> str:
    return verdict(comparison, family=family, test=test, folds=folds)


@pytest.mark.parametrize(
    ("metric", "low", "high", "outcome"),
    [
        (LOSS, -0.2, -0.1, "win"),
        (LOSS, 0.1, 0.2, "loss"),
        (LOSS, -0.1, 0.1, "tie"),
        (LOSS, 0.0, 0.0, "tie"),
        (ACCURACY, 0.1, 0.2, "win"),
        (ACCURACY, -0.2, -0.1, "loss"),
        (ACCURACY, NAN, NAN, "unknown"),
    ],
)
def test_outcomes_know_which_way_is_better(metric, low, high, outcome):
    assert compared(low, high, metric=metric).outcome == outcome


def test_a_win_says_so_with_numbers_and_the_baseline():
    text = said(compared(-0.08, -0.04))
    assert text.startswith("The network is worth it")
    assert "logistic regression" in text
    assert "360 test rows" in text
    assert "0.04" in text
    assert "0.1" in text
    assert text.endswith(".")


def test_a_baseline_that_saw_fewer_rows_is_said_to_have():
    text = said(compared(-0.08, -0.04, drawn=(200, 1000)))
    assert text.endswith("; that baseline was fitted on 200 of 1,000 training rows.")


def test_a_baseline_that_wins_comes_first_and_is_advised():
    text = said(compared(0.04, 0.08))
    assert text.startswith("Logistic regression does better than the network, so use that")
    text = said(compared(0.04, 0.08, name="support_vectors", label="support vector machine"))
    assert text.startswith("The support vector machine does better")


def test_a_tie_advises_the_simpler():
    assert said(compared(-0.01, 0.02)).endswith("use logistic regression, which is simpler.")
    assert "take either" in said(compared(-0.01, 0.02), family="linear")
    boosted = compared(-0.01, 0.02, name="hist_gradient_boosting", label="gradient boosting")
    assert "use this network" in said(boosted, family="linear")
    assert said(boosted).endswith("use gradient boosting, which is simpler.")


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.1), (0.1, 0.2)])
def test_a_network_that_does_not_beat_guessing_is_not_to_be_used(low, high):
    text = said(compared(low, high, name="dummy", label="always the class shares"))
    assert text.startswith("Do not use the network")
    assert "always the class shares" in text


def test_without_test_rows_it_says_what_is_not_known():
    text = said(compared(-0.08, -0.04, on="validation"), test=False)
    assert "360 validation rows" in text
    assert "no test rows were kept to confirm it" in text
    text = said(compared(-0.08, -0.04, by_validation=False), folds=False)
    assert "picked by these same rows" in text
    assert said(None, test=False, folds=False).startswith("Nobody knows yet")
    assert "is not known" in said(compared(NAN, NAN))
    alone = verdict(None, family="mlp", test=True, folds=True, metric=LOSS, score=Interval(0.2, 0.1, 0.3))
    assert "log loss is 0.2" in alone
    assert "no baseline could be fitted" in alone


def test_it_is_one_short_sentence():
    for c in (compared(-0.08, -0.04), compared(0.04, 0.08), compared(-0.01, 0.02, on="validation")):
        text = said(c)
        assert len(text) < 320
        assert text.count(". ") == 0


def test_comparison_is_of_the_same_rows():
    torch.manual_seed(0)
    target = torch.arange(200) % 2
    sure = torch.where(torch.rand(200) < 0.95, 0.9, 0.1)
    good = torch.where(target == 1, sure, 1 - sure).double()
    output, flat = torch.stack([1 - good, good], 1), torch.full((200, 2), 0.5)
    network = Judged("test", output, target, None, np.arange(200))
    baseline = Judged("test", flat, target, None, np.arange(200))
    found = compare(network, baseline, "dummy", "guessing", LOSS, 0, True)
    assert found.outcome == "win"
    assert found.facts()["difference"] == pytest.approx(found.network - found.baseline)
    assert found.baseline == pytest.approx(math.log(2))
    back = compare(baseline, network, "x", "x", LOSS, 0, True)
    assert back.outcome == "loss"
    assert back.difference.low == pytest.approx(-found.difference.high)
    same = compare(network, network, "x", "x", LOSS, 0, True)
    assert same.outcome == "tie"
    with pytest.raises(AssertionError):
        compare(network, baseline.part(np.arange(199)[::-1].copy()), "x", "x", LOSS, 0, True)


# ---- which measure to look at --------------------------------------------------------------------------


def looked(task, target, classes=(), metric=None, accuracy=0.99) -> dict[str, str]:
    return look_at(
        task, np.asarray(target), classes=classes, metric=metric or default_metric(task), accuracy=accuracy
    )


def test_classes():
    two, three = ("no", "yes"), ("a", "b", "c")
    rare = looked("binary", [0] * 96 + [1] * 4, two)
    assert rare["name"] == "average_precision"
    assert "4 %" in rare["why"]
    assert "“yes”" in rare["why"]
    assert looked("binary", [0] * 4 + [1] * 96, two)["name"] == "balanced_accuracy"
    assert looked("binary", [0] * 65 + [1] * 35, two)["name"] == "roc_auc"
    assert looked("binary", [0] * 50 + [1] * 50, two)["name"] == "accuracy"
    assert looked("multiclass", [0] * 50 + [1] * 50 + [2] * 5, three)["name"] == "balanced_accuracy"
    assert looked("multiclass", [0, 1, 2] * 9, three)["name"] == "accuracy"
    overlap = looked("binary", [0] * 55 + [1] * 45, two, accuracy=0.6)
    assert overlap["name"] == "log_loss"
    assert "60 %" in overlap["why"]
    assert looked("binary", [0] * 50 + [1] * 50, two, accuracy=NAN)["name"] == "accuracy"


def test_labels_and_values():
    assert looked("multilabel", [[1.0, 0, 0, 0]] * 9)["name"] == "average_precision"
    assert looked("multilabel", [[1.0, 0.0]] * 9)["name"] == "accuracy"
    rng = np.random.default_rng(0)
    bell = rng.normal(size=(500, 1))
    assert looked("regression", bell)["name"] == "rmse"
    wild = bell.copy()
    wild[:5] = 1000
    found = looked("regression", wild)
    assert found["name"] == "mae"
    assert "1 %" in found["why"].replace("1.0 %", "1 %")
    assert looked("regression", np.hstack([bell, 100 * bell]))["name"] == "r2"


def test_what_was_asked_for_is_looked_at_unless_it_misleads():
    assert looked("binary", [0, 1] * 9, ("a", "b"), METRICS["brier"])["name"] == "brier"
    assert looked("binary", [0] * 96 + [1] * 4, ("a", "b"), ACCURACY)["name"] == "average_precision"
    assert looked("binary", [0, 1] * 9, ("a", "b"), ACCURACY)["why"].startswith("The classes are about")
