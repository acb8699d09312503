"""Radial-basis units: where k-means puts them, what they answer, what a network of them can learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from small_cohorts import CPU, cohort_of, member, run
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.schema import Column, Schema, Target
from coterie.models.rbf import RBF, Units
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.outputs import outputs
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe

CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])


def clouds(rows: int = 90, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    label = torch.arange(rows) % 3
    return CENTRES[label] + 0.3 * torch.randn(rows, 2, generator=g), label


def dataset(x: Tensor, y: Tensor) -> Dataset:
    columns = [Column(f"x{i}", "numeric", "feature") for i in range(x.shape[1])]
    columns += [Column("y", "numeric", "target")]
    inputs = {"numeric": x, "category": torch.zeros(len(x), 0, dtype=torch.int64)}
    return Dataset(Schema.of(columns, Target(("y",), "regression")), inputs, y, None, np.arange(len(x)))


def trained(family: RBF, data: Dataset, *, seeds: int = 1, **settings: Any) -> Cohort:
    recipe = Recipe(**{"patience": 0, "batch_size": 64, **RBF.advice("regression"), **settings})
    members = [member(Candidate(0, family, recipe), 0, seed) for seed in range(seeds)]
    arena = Arena.of(data, ((np.arange(len(data)), np.array([], dtype=np.int64)),), CPU, torch.float64)
    return run(cohort_of(members, arena)).cohort


def errors(cohort: Cohort) -> Tensor:
    """(M,) the root mean square error of each member over all rows."""
    data = cohort.arena.dataset
    assert data.target is not None
    made = outputs(
        cohort.steps, cohort.best, cohort.best_buffers, torch.arange(len(data)), cohort.arena.inputs
    )
    return (made - data.target).square().mean((1, 2)).sqrt()


def wave(rows: int = 50) -> Dataset:
    x = torch.linspace(-math.pi, math.pi, rows, dtype=torch.float64)[:, None]
    return dataset(x, x.sin())


# ---- centres and widths ----------------------------------------------------------------------------------


@pytest.mark.parametrize("learned", [True, False])
def test_centres_are_where_the_clouds_are(learned: bool) -> None:
    x, label = clouds()
    for seed in range(5):
        torch.manual_seed(seed)
        layer = Units(2, 3, 1.0, learned)
        with torch.no_grad():
            layer.fit(x)
        away = torch.cdist(CENTRES, layer.center.detach())
        assert sorted(away.argmin(1).tolist()) == [0, 1, 2]
        means = torch.stack([x[label == k].mean(0) for k in range(3)])
        torch.testing.assert_close(layer.center.detach()[away.argmin(1)], means, rtol=0, atol=1e-5)
        answer = layer(x).detach()
        assert torch.equal(answer.argmax(1), away.argmin(1)[label])
        assert {n for n, _ in layer.named_parameters()} == ({"center", "log_width"} if learned else set())


def test_widths_are_the_mean_distance_to_the_two_nearest_centres() -> None:
    x, _ = clouds()
    layer = Units(2, 3, 2.0, False)
    layer.fit(x)
    away = torch.cdist(layer.center, layer.center).sort(1).values[:, 1:3].mean(1)
    torch.testing.assert_close(layer.log_width.exp(), 2 * away)


def test_a_unit_is_a_gaussian_of_distance() -> None:
    layer = Units(3, 4, 1.0, True).double()
    with torch.no_grad():
        layer.log_width.copy_(torch.tensor([-1.0, 0.0, 0.5, 1.0]))
    x = torch.randn(5, 3, dtype=torch.float64)
    made = layer(x)
    centers, widths = layer.center.tolist(), layer.log_width.exp().tolist()
    for b in range(5):
        for u in range(4):
            square, wide = math.dist(x[b].tolist(), centers[u]) ** 2, widths[u]
            assert made[b, u].item() == pytest.approx(math.exp(-square / (2 * wide**2)))
    gradients = torch.autograd.grad(made.sum(), list(layer.parameters()))
    assert all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("rows", [1, 2, 5, 6])
def test_fewer_rows_than_units_are_all_centres(rows: int) -> None:
    x = torch.randn(rows, 2, generator=torch.Generator().manual_seed(1))
    layer = Units(2, 6, 1.0, False)
    layer.fit(x)
    assert layer.center.isfinite().all()
    assert layer.log_width.isfinite().all()
    assert torch.cdist(x, layer.center).min(1).values.max() < 1e-6
    answer = layer(x)
    assert answer.isfinite().all()
    torch.testing.assert_close(answer.max(1).values, torch.ones(rows))


def test_rows_that_are_all_the_same_are_one_centre() -> None:
    layer = Units(2, 4, 1.0, False)
    layer.fit(torch.full((30, 2), 3.0))
    assert (layer.center == 3).all()
    torch.testing.assert_close(layer(torch.full((1, 2), 3.0)), torch.ones(1, 4))


def test_the_same_seed_finds_the_same_centres() -> None:
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        layer = Units(2, 10, 1.0, False)
        layer.fit(x)
        found.append(layer.center)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_centres_are_of_the_members_own_training_rows() -> None:
    x, _ = clouds()
    y = x.sum(1, keepdim=True)
    folds = ((np.arange(0, 90, 3), np.array([1])), (np.arange(1, 90, 3), np.array([0])))
    arena = Arena.of(dataset(x.double(), y.double()), folds, CPU, torch.float64)
    candidate = Candidate(0, RBF(units=4, centers="kmeans"), Recipe(patience=0))
    cohort = cohort_of([member(candidate, 0), member(candidate, 1)], arena)
    center = next(b for n, b in cohort.buffers.items() if n.endswith("hidden.center"))
    scale = next(b for n, b in cohort.buffers.items() if n.endswith("prepare.scale"))
    middle = next(b for n, b in cohort.buffers.items() if n.endswith("prepare.center"))
    raw = center * scale[:, None] + middle[:, None]
    for m in range(2):
        assert (raw[m] - CENTRES[m]).norm(dim=1).max() < 2


# ---- networks --------------------------------------------------------------------------------------------


def test_it_learns_a_sine() -> None:
    cohort = trained(RBF(units=12), wave(), seeds=2, epochs=150, lr=0.03, weight_decay=0.0)
    assert errors(cohort).max() < 0.05


def test_with_its_own_advice_it_learns_a_sine() -> None:
    cohort = trained(RBF(), wave(), epochs=120)
    assert errors(cohort).max() < 0.05


@pytest.mark.parametrize("units", [8, 20])
def test_kept_centres_are_solved_exactly(units: int) -> None:
    data = wave()
    settings = {"optimizer": "exact", "weight_decay": 0.0}
    cohort = trained(RBF(units=units, centers="kmeans"), data, **settings)
    assert errors(cohort).max() < 0.02
    buffers = {n.rpartition("network.")[2]: b[0] for n, b in cohort.best_buffers.items()}
    x = (data.inputs["numeric"] - buffers["prepare.center"]) / buffers["prepare.scale"]
    away = torch.cdist(x, buffers["body.hidden.center"])
    phi = torch.exp(-away.square() / (2 * (2 * buffers["body.hidden.log_width"]).exp()))
    assert data.target is not None
    design = torch.cat([torch.ones(50, 1).double(), phi], 1).numpy()
    best = np.linalg.lstsq(design, data.target.numpy(), rcond=None)[0]
    least = math.sqrt(((design @ best - data.target.numpy()) ** 2).mean())
    assert errors(cohort).item() == pytest.approx(least, rel=0.01, abs=1e-8)


def test_learned_centres_move_and_kept_ones_stay() -> None:
    data = wave()
    for centers in ("learned", "kmeans"):
        start, end = (
            trained(RBF(units=5, centers=centers), data, epochs=e, lr=lr) for e, lr in ((1, 0.0), (5, 0.02))
        )
        if centers == "learned":
            name = "body.hidden.center"
            assert not torch.equal(start.layout.views(start.best)[name], end.layout.views(end.best)[name])
        else:
            for name in (n for n in start.best_buffers if "hidden" in n):
                assert torch.equal(start.best_buffers[name], end.best_buffers[name])


def test_more_units_than_rows_still_train() -> None:
    x = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    cohort = trained(RBF(units=16), dataset(x, x.square()), epochs=150, lr=0.05, weight_decay=0.0)
    assert errors(cohort).max() < 0.1
