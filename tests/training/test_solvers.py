"""The closed form of ridge regression against scikit-learn's, numpy's, and its own gradient."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from small_cohorts import (
    FOLDS,
    arena_of,
    cohort_of,
    member,
    run,
    small,
    small_recipe,
    small_table,
)

from coterie.errors import SpecError
from coterie.models.linear import Linear
from coterie.models.mlp import MLP
from coterie.training import solvers
from coterie.training.cohort import Cohort
from coterie.training.plan import Candidate
from coterie.training.step import NETWORK

LAMBDAS = (2**-10, 2**-4, 2.0)  # without rounding in float32


def solved(
    target: str, lambdas: tuple[float, ...] = LAMBDAS, weighted: bool = True, **options: Any
) -> Cohort:
    """Every λ on every fold, in one cohort."""
    dataset = small_table(target)
    if not weighted:
        dataset = dataclasses.replace(dataset, weight=None)
    recipes = [small_recipe(optimizer="exact", l2=value) for value in lambdas]
    candidates = [Candidate(i, Linear(), recipe) for i, recipe in enumerate(recipes)]
    members = [member(c, fold) for c in candidates for fold in range(len(FOLDS))]
    cohort = cohort_of(members, arena_of(dataset, **{"dtype": torch.float64} | options))
    solvers.solve_ridge(cohort)
    return cohort


def parts(cohort: Cohort, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Member's features (n, D), standardised targets (n, K) and weights (n,) on its own training rows."""
    rows = torch.from_numpy(FOLDS[cohort.members[place].fold][0])
    features = cohort.steps.output(cohort.flat, cohort.buffers, rows, cohort.arena.inputs, "features")[place]
    center, scale = (cohort.buffers[f"{NETWORK}output.{n}"][place] for n in ("center", "scale"))
    target = (cohort.arena.data["target"][rows] - center) / scale
    return features.numpy(), target.numpy(), cohort.arena.data["weight"][rows].numpy()


def solution(cohort: Cohort, place: int) -> tuple[np.ndarray, np.ndarray]:
    views = cohort.layout.views(cohort.flat)
    return views["body.head.weight"][place].numpy(), views["body.head.bias"][place].numpy()


@pytest.mark.parametrize("weighted", [True, False], ids=["weighted", "unweighted"])
@pytest.mark.parametrize("target", ["regression", "two targets"])
def test_equals_scikit_learns_ridge_member_by_member(target: str, weighted: bool) -> None:
    cohort = solved(target, weighted=weighted)
    for place, one in enumerate(cohort.members):
        x, y, weight = parts(cohort, place)
        alpha = weight.sum() * y.shape[1] * one.candidate.recipe.l2  # n·λ for one target and weights of 1
        theirs = Ridge(alpha=alpha, solver="svd").fit(x, y, sample_weight=weight)
        w, b = solution(cohort, place)
        np.testing.assert_allclose(w, np.atleast_2d(theirs.coef_), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(b, np.atleast_1d(theirs.intercept_), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("target", ["regression", "two targets"])
def test_is_where_the_gradient_of_the_loss_is_zero(target: str) -> None:
    """The closed form and training by gradient minimise the same thing."""
    cohort = solved(target)
    rows, counts = cohort.folds[cohort.fold_of], torch.from_numpy(cohort.counts)
    present = (torch.arange(rows.shape[1]) < counts[:, None]).double()
    given = cohort.given(cohort.draw(), cohort.steps.players[0], 0)._replace(rows=rows, present=present)
    for flat, least, most in ((cohort.flat, 0.0, 1e-12), (cohort.flat + 1e-3, 1e-5, math.inf)):
        gradients, _, _ = cohort.steps.gradients(given._replace(flat=flat))
        assert least <= max(each.abs().max() for each in gradients.values()) < most


@pytest.mark.parametrize("target", ["regression", "two targets"])
def test_without_penalty_it_is_least_squares(target: str) -> None:
    """One-hot columns and the bias are collinear here: the solution is the one of least norm, and finite."""
    cohort = solved(target, lambdas=(0.0,))
    for place in range(len(FOLDS)):
        x, y, weight = parts(cohort, place)
        mean_x, mean_y = np.average(x, 0, weight), np.average(y, 0, weight)
        root = np.sqrt(weight)[:, None]
        wanted = np.linalg.lstsq((x - mean_x) * root, (y - mean_y) * root, rcond=1e-10)[0].T
        w, b = solution(cohort, place)
        assert np.linalg.matrix_rank(x - mean_x) < x.shape[1]
        np.testing.assert_allclose(x @ w.T + b, (x - mean_x) @ wanted.T + mean_y, atol=1e-9)
        np.testing.assert_allclose(w, wanted, atol=1e-8)


def test_chunks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = solved("two targets")
    monkeypatch.setattr(solvers, "CHUNK", 9 * 40 * 5)  # a few rows at a time
    torch.testing.assert_close(solved("two targets").flat, whole.flat, rtol=1e-9, atol=1e-11)


def test_float32_data_is_solved_as_well() -> None:
    single = solved("regression", dtype=torch.float32)
    assert single.flat.dtype == torch.float32
    torch.testing.assert_close(single.flat.double(), solved("regression").flat, rtol=1e-3, atol=1e-4)


def test_recovers_a_plane() -> None:
    """Without noise or penalty the plane comes back, in the target's own units."""
    dataset = small_table("regression")
    x = dataset.inputs["numeric"].nan_to_num(50.0)
    dataset = dataclasses.replace(
        dataset, inputs=dataset.inputs | {"numeric": x}, target=(3 * x[:, :1] - 2 * x[:, 1:2] + 7)
    )
    candidate = Candidate(0, Linear(), small_recipe(optimizer="exact", l2=0.0))
    cohort = run(cohort_of([member(candidate)], arena_of(dataset, dtype=torch.float64))).cohort
    rows = torch.arange(len(dataset))
    output = cohort.steps.output(cohort.best, cohort.best_buffers, rows, cohort.arena.inputs)[0]
    torch.testing.assert_close(output, cohort.arena.data["target"], rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("family", [small(MLP), Linear(categories="embedding")], ids=["mlp", "embedding"])
def test_models_with_more_than_an_affine_layer_are_refused(family: Any) -> None:
    cohort = cohort_of(
        [member(Candidate(0, family, small_recipe(optimizer="exact")))], arena_of(small_table("regression"))
    )
    with pytest.raises(SpecError, match=r"affine output layer.*optimizer=adam"):
        solvers.solve_ridge(cohort)
