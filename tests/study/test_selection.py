"""Who is chosen: the best mean, or the simplest within one standard error of it."""

import math

import pytest
import torch

from coterie.metrics.intervals import corrected_standard_error
from coterie.models.linear import Linear
from coterie.study.selection import MemberScore, choose, scored
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe


def judged(index, values, parameters=10):
    members = [MemberScore(fold, 0, value, 1, 1, "finished") for fold, value in enumerate(values)]
    return scored(Candidate(index, Linear(), Recipe()), parameters, members, 80, 20)


def test_mean_and_corrected_error():
    one = judged(0, [0.2, 0.4, 0.3])
    assert one.mean == pytest.approx(0.3)
    # Nadeau & Bengio: s² (1/k + n_validation/n_training)
    assert one.se == pytest.approx(math.sqrt(0.01 * (1 / 3 + 20 / 80)))
    assert one.se == pytest.approx(float(corrected_standard_error(torch.tensor([0.2, 0.4, 0.3]), 80, 20)))


@pytest.mark.parametrize(("maximise", "winner"), [(False, 1), (True, 2)])
def test_the_best_mean_wins(maximise, winner):
    found = [judged(0, [0.5, 0.5]), judged(1, [0.1, 0.2]), judged(2, [0.9, 0.8])]
    assert choose(found, maximise, "best").candidate.index == winner


def test_ties_go_to_the_earlier():
    assert choose([judged(0, [0.3, 0.3]), judged(1, [0.3, 0.3])], False, "best").candidate.index == 0
    assert choose([judged(0, [0.3, 0.3]), judged(1, [0.3, 0.3])], True, "best").candidate.index == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_simple_takes_the_smallest_within_one_error(sign):
    best = judged(0, [sign * v for v in (0.10, 0.20, 0.15)], parameters=900)
    near = judged(1, [sign * v for v in (0.16, 0.19, 0.17)], parameters=50)
    far = judged(2, [sign * 0.5] * 3, parameters=1)
    assert choose([best, near, far], sign < 0, "best").candidate.index == 0
    assert choose([best, near, far], sign < 0, "simple").candidate.index == 1


def test_of_equally_small_ones_the_better():
    best = judged(0, [0.10, 0.20, 0.15], parameters=900)
    found = [best, judged(1, [0.17, 0.18, 0.18], 50), judged(2, [0.16, 0.16, 0.16], 50)]
    assert choose(found, False, "simple").candidate.index == 2


def test_without_an_error_simple_is_best():
    assert choose([judged(0, [0.3], 9), judged(1, [0.2], 99)], False, "simple").candidate.index == 1


def test_a_candidate_that_lost_a_member_does_not_win():
    """The mean of those that are left would favour whoever lost its hard fold."""
    found = [judged(0, [0.1, None]), judged(1, [0.5, 0.5]), judged(2, [0.1, math.nan])]
    assert choose(found, False, "best").candidate.index == 1
    assert math.isnan(found[0].mean)


def test_without_any_score_the_first():
    assert choose([judged(0, [None]), judged(1, [None])], False, "best").candidate.index == 0
    assert choose([judged(0, [None]), judged(1, [None])], False, "simple").candidate.index == 0


def test_facts_are_plain():
    import json

    facts = judged(3, [0.2, None]).facts(["lr", "impute", "no such"])
    assert facts["hyperparameters"] == {"lr": Recipe().lr, "impute": "median"}
    assert facts["index"] == 3
    assert json.loads(json.dumps(facts))["scores"][1]["value"] is None
