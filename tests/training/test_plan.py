"""The plan: who shares a cohort, how large it gets, and under which key each member draws."""

from __future__ import annotations

import dataclasses
from itertools import product
from typing import Any

import pytest
from small_cohorts import VARIANTS, other_numbers, small_recipe

from coterie import spec
from coterie.models.family import Family
from coterie.models.linear import Linear
from coterie.models.mlp import MLP
from coterie.training.plan import Candidate, CohortPlan, make_plan, member_key
from coterie.training.recipe import Recipe


def plan_of(
    *settings: tuple[Family, Recipe], room: int = 1000, folds: int = 3, seeds: int = 2
) -> tuple[CohortPlan, ...]:
    candidates = [Candidate(i, family, recipe) for i, (family, recipe) in enumerate(settings)]
    return make_plan(candidates, folds, seeds, seed=0, room=lambda candidate: room)


def test_numbers_stack() -> None:
    numbers: dict[str, Any] = {"lr": 0.1, "momentum": 0.2, "epochs": 9, "patience": 3, "huber_delta": 0.1}
    plans = plan_of((MLP(dropout=0.1), Recipe()), (MLP(dropout=0.4), Recipe(**numbers)))
    assert len(plans) == 1
    assert len(plans[0].members) == 2 * 3 * 2


@pytest.mark.parametrize("field", ["optimizer", "batch_size", "loss", "schedule", "order", "class_weight"])
def test_structure_groups(field: str) -> None:
    hyper = spec.hypers(Recipe)[field]
    other = hyper.choices[-1] if hyper.choices else 128
    if field == "optimizer":
        other = "sgd"
    plans = plan_of((MLP(), Recipe()), (MLP(), Recipe(**{field: other})), (MLP(), Recipe()))
    assert [len(p.members) for p in plans] == [12, 6]
    assert [getattr(p.recipe, field) for p in plans] == [spec.default(Recipe, field), other]


@pytest.mark.parametrize("field", ["weight_decay", "l1", "l2", "clip", "label_smoothing"])
def test_a_switch_groups_by_whether_it_is_on(field: str) -> None:
    recipes = [Recipe(**{field: value}) for value in (0.0, 0.1, 0.7)]
    assert [len(p.members) for p in plan_of(*((MLP(), r) for r in recipes))] == [6, 12]


def test_dropout_is_a_switch_of_the_family() -> None:
    plans = plan_of(*((MLP(dropout=rate), Recipe()) for rate in (0.0, 0.1, 0.5)))
    assert [len(p.members) for p in plans] == [6, 12]


def test_families_do_not_mix_and_keep_their_order() -> None:
    plans = plan_of((MLP(), Recipe()), (Linear(), Recipe()), (MLP(hidden=(8,)), Recipe()))
    assert [p.family for p in plans] == [MLP(), Linear(), MLP(hidden=(8,))]
    assert [p.index for p in plans] == [0, 1, 2]


def test_every_variant_of_a_family_is_a_structure_of_its_own() -> None:
    structures = [(family, Candidate(0, family, Recipe()).structure()) for _, family in VARIANTS]
    for (a, one), (b, other) in product(structures, structures):
        assert (one == other) == (a == b and type(a) is type(b))
    for _, family in VARIANTS:
        assert len(plan_of((family, Recipe()), (other_numbers(family), Recipe()))) == 1


@pytest.mark.parametrize("room", [1, 2, 5, 7, 11, 12, 0])
def test_a_group_is_cut_to_its_room_in_nearly_equal_parts(room: int) -> None:
    plans = plan_of((MLP(), Recipe()), (MLP(), Recipe(lr=0.1)), room=room)
    sizes = [len(p.members) for p in plans]
    assert sum(sizes) == 12
    assert max(sizes) <= max(room, 1)
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-12 // max(room, 1))
    assert [p.index for p in plans] == list(range(len(plans)))


def test_every_member_is_planned_once() -> None:
    plans = plan_of((MLP(), Recipe()), (Linear(), Recipe()), (MLP(), Recipe(lr=0.1)), room=4)
    found = [(m.candidate.index, m.fold, m.seed) for p in plans for m in p.members]
    assert sorted(found) == sorted(product(range(3), range(3), range(2)))


def test_keys_differ_by_fold_and_seed_and_study_but_not_by_candidate() -> None:
    members = [m for p in plan_of((MLP(), Recipe()), (Linear(), Recipe())) for m in p.members]
    keys = {(m.fold, m.seed): m.key for m in members}
    assert len(set(keys.values())) == 6
    assert all(m.key == keys[m.fold, m.seed] for m in members)
    drawn = {member_key(*word) for word in product(range(10), repeat=3)}
    assert len(drawn) == 1000
    assert all(0 <= key < 2**32 for key in drawn)


def test_a_candidate_names_all_its_hyperparameters() -> None:
    candidate = Candidate(0, MLP(), small_recipe(lr=0.5))
    assert list(candidate.values()) == [*spec.hypers(MLP), *spec.hypers(Recipe)]
    assert candidate.values()["lr"] == candidate.numbers()["lr"] == 0.5
    assert set(candidate.numbers()) == {n for n, h in spec.hypers(Recipe).items() if h.stacked}
    with pytest.raises(dataclasses.FrozenInstanceError):
        candidate.index = 1  # type: ignore[misc]
