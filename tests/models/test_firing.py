"""Neurons that fire: what each kind of target is answered with, and that it is sure of it."""

from __future__ import annotations

import pytest
import torch

from coterie.models.catalogue import FAMILIES
from coterie.models.firing import RULE, SURE, Firing
from coterie.training.recipe import Recipe

Z = torch.tensor([[-2.0], [-1e-30], [0.0], [1e-30], [3.0]])


@pytest.mark.parametrize(("at_zero", "fires"), [(False, [0, 0, 0, 1, 1]), (True, [0, 0, 1, 1, 1])])
def test_a_neuron_fires_above_zero_and_at_it_if_said(at_zero: bool, fires: list[int]) -> None:
    output = Firing("binary", 2, at_zero)
    assert output.decided(Z)[:, 0].tolist() == fires
    answers = output(Z)
    assert answers.shape == (5, 2)
    assert answers.argmax(-1).tolist() == fires
    torch.testing.assert_close(answers.sum(-1), torch.ones(5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_sure_and_the_loss_of_an_error_is_finite(dtype: torch.dtype) -> None:
    answers = Firing("binary", 2, False)(Z.to(dtype))
    assert answers.dtype == dtype
    assert answers[-1, 1] == 1
    assert 0 < answers[-1, 0] < 1e-16
    assert -answers[-1, 0].log() == pytest.approx(SURE)


@pytest.mark.parametrize("at_zero", [False, True])
def test_of_several_classes_the_largest_sum_is_the_answer(at_zero: bool) -> None:
    raw = torch.tensor([[-3.0, -1.0, -2.0], [0.0, 0.0, -1.0], [1.0, 2.0, 3.0]])
    output = Firing("multiclass", 3, at_zero)
    assert output.decided(raw).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert output(raw).argmax(-1).tolist() == [1, 0, 2]
    assert output(raw).max(-1).values.tolist() == [1, 1, 1]


@pytest.mark.parametrize(("at_zero", "fires"), [(False, [0, 0, 1]), (True, [0, 1, 1])])
def test_of_labels_all_that_fire(at_zero: bool, fires: list[int]) -> None:
    output = Firing("multilabel", 3, at_zero)
    raw = torch.tensor([[-1.0, 0.0, 2.0]])
    assert output.decided(raw)[0].tolist() == fires
    assert (output(raw)[0] > 0.5).int().tolist() == fires


def test_the_rule_is_a_recipe_that_its_families_advise() -> None:
    recipe = Recipe(**{**RULE, "epochs": 3})
    assert (recipe.batch_size, recipe.order, recipe.lr, recipe.loss) == (1, "rows", 1.0, "perceptron")
    for name in ("perceptron", "threshold"):
        assert FAMILIES[name].advice("binary") == RULE
