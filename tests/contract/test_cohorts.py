"""Members are independent: of how many share their cohort, of who leaves it, of rows that are not theirs.

Weights are compared in float64, where the only differences left are those of the order of sums. ε is
larger than usual: before batch normalisation a bias has a gradient of 0 plus rounding, which Adam scales up.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from small_cohorts import (
    CORE,
    FAMILIES,
    FOLDS,
    NAMED,
    ONCE,
    PLAIN,
    TARGETS,
    TEST,
    TURNS,
    VARIANTS,
    Ran,
    answers,
    arena_of,
    cohort_of,
    distance,
    four_members,
    member,
    run,
    small,
    small_data,
    small_recipe,
    small_table,
    steady,
    targets_of,
)

from coterie.data.dataset import Dataset
from coterie.models.family import Family
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort, member_id
from coterie.training.events import Retire, StepEnd
from coterie.training.loop import train
from coterie.training.optimizers import OPTIMIZERS
from coterie.training.plan import Candidate, Member
from coterie.training.recipe import Recipe
from coterie.training.schedules import SCHEDULES

DOUBLE = torch.float64
FIFTY = 10  # epochs of 5 steps
CALM = {"eps": 1e-4}  # see above
by_plain = pytest.mark.parametrize("family", [f for _, f in PLAIN], ids=[name for name, _ in PLAIN])
by_kind = pytest.mark.parametrize(("family", "target"), [t[1:] for t in ONCE], ids=[t[0] for t in ONCE])
# but for the target that all of a family's variants are tried with
OTHERS = [(n, t) for n, t in NAMED if t != targets_of(FAMILIES[n])[-4:][0]]
by_family = pytest.mark.parametrize("name", FAMILIES)

# what a recipe's option is tried with, and the other numbers of the second candidate
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{
        f"optimizer={name}": (
            {"optimizer": name},
            {"momentum": 0.5, "beta1": 0.8, "beta2": 0.9, "rho": 0.7, "eps": 1e-3, "lr": 0.05},
        )
        for name in OPTIMIZERS
    },
    **{f"schedule={name}": ({"schedule": name}, {"decay": 0.5, "warmup": 0.2}) for name in SCHEDULES},
    "step by step": ({"schedule": "step", "decay_every": 2}, {"decay_every": 3, "decay": 0.9}),
    "no weight_decay": ({"weight_decay": 0.0}, {}),
    "weight_decay in the gradient": ({"optimizer": "sgd"}, {"weight_decay": 0.5}),
    "l1": ({"l1": 0.01}, {"l1": 0.1}),
    "l2": ({"l2": 0.01}, {"l2": 0.1}),
    "clip": ({"optimizer": "sgd", "lr": 0.5, "clip": 0.1}, {"clip": 0.02}),
    "label_smoothing": ({"label_smoothing": 0.1}, {"label_smoothing": 0.3}),
    "class_weight": ({"class_weight": "balanced"}, {}),
    "order=rows": ({"order": "rows"}, {}),
    "accumulate": ({"accumulate": 3}, {}),
    "recompute": ({"recompute": True}, {}),
}
VALUES_ALONE = {
    "huber": ({"loss": "huber"}, {"huber_delta": 0.2}),
    "mae": ({"loss": "mae"}, {}),
}


def close(a: torch.Tensor, b: torch.Tensor, what: str = "") -> None:
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9, msg=lambda m: f"{what}: {m}")


def same_member(one: Cohort, i: int, other: Cohort, j: int) -> None:
    """Member i of one cohort ended as member j of the other: record, best weights, buffers."""
    a, b = one.records[i], other.records[j]
    assert dataclasses.replace(a, score=None) == dataclasses.replace(b, score=None)
    assert a.score == pytest.approx(b.score, rel=1e-9)
    close(one.best[i], other.best[j], "best weights")
    for name, buffer in one.best_buffers.items():
        close(buffer[i], other.best_buffers[name][j], name)


def check_equals_ones(members: tuple[Member, ...], arena: Arena, places: tuple[int, ...] = (1, 2)) -> Ran:
    """The cohort's members at these places against themselves alone, after as many steps.

    1 and 2 are of either candidate: the first of them idles, the other has batches of a single row.
    """
    together = run(cohort_of(members, arena))
    for place in places:
        alone = run(cohort_of(members[place : place + 1], arena))
        close(together.flat[place], alone.flat[0], "weights")
        for name, buffer in alone.buffers.items():
            close(together.buffers[name][place], buffer[0], name)
        same_member(together.cohort, place, alone.cohort, 0)
    return together


# ---- a cohort of M is M cohorts of one -------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(len(VARIANTS)), ids=[name for name, _ in VARIANTS])
def test_every_family_together_and_alone(turn: int) -> None:
    label, family = VARIANTS[turn]
    arena = arena_of(small_data(family, targets_of(type(family))[-4:][0]), dtype=DOUBLE)
    places = (1, 2) if family.name in CORE and label.endswith("-default") else (1 + turn % 2,)
    epochs = FIFTY if label in ("linear-default", "mlp-default") else FIFTY // 5
    ran = check_equals_ones(
        four_members(family, small_recipe(epochs=epochs, **CALM | steady(family))), arena, places
    )
    assert sum(isinstance(event, StepEnd) for event in ran.events) == 5 * epochs


@pytest.mark.parametrize("turn", range(len(OTHERS)), ids=[f"{n}-{t}" for n, t in OTHERS])
def test_every_task_together_and_alone(turn: int) -> None:
    name, target = OTHERS[turn]
    family = small(FAMILIES[name])
    arena = arena_of(small_data(family, target), dtype=DOUBLE)
    members = four_members(family, small_recipe(epochs=2, **CALM | steady(family)))
    check_equals_ones(members, arena, (1 + turn % 2,))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_together_and_alone(option: str) -> None:
    arena = arena_of(small_table("multiclass"), dtype=DOUBLE)
    given, differing = OPTIONS[option]
    recipe = small_recipe(**{"epochs": FIFTY // 2, **CALM} | given)
    check_equals_ones(four_members(small(FAMILIES["mlp"], norm="layer"), recipe, **differing), arena, (1,))


@pytest.mark.parametrize("option", VALUES_ALONE)
def test_losses_of_values_together_and_alone(option: str) -> None:
    arena = arena_of(small_table("two targets"), dtype=DOUBLE)
    given, differing = VALUES_ALONE[option]
    recipe = small_recipe(**{"epochs": FIFTY, **CALM} | given)
    check_equals_ones(four_members(small(FAMILIES["mlp"]), recipe, **differing), arena)


@pytest.mark.parametrize("target", ["regression", "two targets"])
def test_closed_form_together_and_alone(target: str) -> None:
    arena = arena_of(small_table(target), dtype=DOUBLE)
    recipe = small_recipe(optimizer="exact", l2=0.1)
    members = four_members(FAMILIES["linear"](), recipe, l2=0.001)
    together = run(cohort_of(members, arena)).cohort
    for place, one in enumerate(members):
        same_member(together, place, run(cohort_of([one], arena)).cohort, 0)


@by_kind
def test_predictions_together_and_alone_in_float32(family: Family, target: str) -> None:
    arena = arena_of(small_data(family, target))
    members = four_members(family, small_recipe(optimizer="momentum"))
    together = answers(run(cohort_of(members, arena)).cohort)[2]
    alone = answers(run(cohort_of(members[2:3], arena)).cohort)[0]
    unit = 1.0 if TARGETS[target].task != "regression" else arena.data["target"].std(0)
    torch.testing.assert_close(alone / unit, together / unit, rtol=0, atol=1e-4, equal_nan=True)


@by_plain
def test_padding_changes_nothing(family: Family) -> None:
    """A fold that is padded to its neighbours' length, against an arena that holds it alone."""
    dataset = small_data(family, targets_of(type(family))[0])
    of_three = member(Candidate(0, family, small_recipe(epochs=1, **CALM)), fold=1)
    alone = dataclasses.replace(of_three, fold=0)  # under the same key
    padded = run(cohort_of([of_three], arena_of(dataset, dtype=DOUBLE)))
    bare = run(cohort_of([alone], arena_of(dataset, FOLDS[1:2], DOUBLE)))
    close(padded.flat, bare.flat)
    same_member(padded.cohort, 0, bare.cohort, 0)


# ---- neighbours ------------------------------------------------------------------------------------------

NEIGHBOURLY = [(label, f) for label, f in PLAIN if f.name in CORE]
by_neighbourly = pytest.mark.parametrize(
    "family", [f for _, f in NEIGHBOURLY], ids=[label for label, _ in NEIGHBOURLY]
)
LEAVING = ((0, 1), (1, 3), (1, 5))  # epoch and step: the first of all, in the middle, the last of an epoch


def unbounded(recipe: Recipe, lr: float) -> Recipe:
    """A learning rate beyond what a recipe allows, to make a member diverge at once."""
    wild = dataclasses.replace(recipe)
    object.__setattr__(wild, "lr", lr)
    return wild


@by_neighbourly
def test_neighbours_change_nothing(family: Family) -> None:
    """However they leave: retired at some step, converged or diverged; or were they never there."""
    arena = arena_of(small_data(family, targets_of(type(family))[0]), dtype=DOUBLE)
    recipe = small_recipe(epochs=4, **CALM | steady(family))
    four = four_members(family, recipe)
    idle = dataclasses.replace(recipe, lr=0.0, patience=1)
    others = [
        member(Candidate(2, family, idle), 1),
        member(Candidate(3, family, unbounded(recipe, 1e200)), 0),
        *(member(Candidate(4, family, recipe), 0, seed) for seed in range(len(LEAVING))),
    ]
    whole = run(cohort_of(four, arena)).cohort
    commands = {when: Retire((member_id(one),)) for when, one in zip(LEAVING, others[2:], strict=True)}
    crowd = run(cohort_of([*others[:2], *four, *others[2:]], arena), commands).cohort
    if not crowd.steps.running:  # running statistics go on improving a network that does not learn
        assert (crowd.records[0].status, crowd.records[0].epochs) == ("converged", 2)
    assert crowd.records[1].status == "diverged"
    assert crowd.best[1].isfinite().all()
    assert [(r.status, r.epochs) for r in crowd.records[6:]] == [("stopped", 1 + e) for e, _ in LEAVING]
    assert {r.status for r in whole.records} == {"finished"}
    for place in range(4):
        same_member(crowd, 2 + place, whole, place)
    two = run(cohort_of([four[3], four[1]], arena)).cohort
    same_member(two, 0, whole, 3)
    same_member(two, 1, whole, 1)


# ---- kill and resume -------------------------------------------------------------------------------------


def killed_and_resumed(members: tuple[Member, ...], arena: Arena, after: int) -> tuple[Cohort, list[Any]]:
    """Stops after that many events, goes through the bytes of a checkpoint, and goes on in a new cohort."""
    cohort = cohort_of(members, arena)
    loop = train(cohort, distance, maximise=False)
    events: list[Any] = [next(loop) for _ in range(after)]
    tensors = save({name: tensor.contiguous() for name, tensor in cohort.tensors().items()})
    facts = json.dumps(cohort.facts())
    loop.close()
    resumed = cohort_of(members, arena)
    resumed.restore(load(tensors), json.loads(facts))
    rest = list(train(resumed, distance, maximise=False))
    return resumed, events + rest[1:]  # the second CohortStart repeats the first


def same_bits(one: Cohort, other: Cohort) -> None:
    assert one.records == other.records
    assert torch.equal(one.best, other.best)
    for name, buffer in one.best_buffers.items():
        assert torch.equal(buffer, other.best_buffers[name]), name


@pytest.mark.parametrize("option", OPTIONS)
def test_resumed_in_the_middle_of_an_epoch_gives_the_same_bits(option: str) -> None:
    arena, (given, differing) = arena_of(small_table("multiclass")), OPTIONS[option]
    recipe = small_recipe(**{"epochs": 3, "patience": 2, "plateau": 1} | given)
    members = four_members(small(FAMILIES["mlp"], norm="batch"), recipe, **differing)
    undisturbed = run(cohort_of(members, arena))
    after = 2 + sorted(OPTIONS).index(option) % (len(undisturbed.events) - 3)
    resumed, events = killed_and_resumed(members, arena, after)
    same_bits(resumed, undisturbed.cohort)
    assert events == undisturbed.events


@by_plain
def test_every_family_resumes_to_the_same_bits(family: Family) -> None:
    arena = arena_of(small_data(family, targets_of(type(family))[-1]))
    members = four_members(family, small_recipe(epochs=1))
    undisturbed = run(cohort_of(members, arena)).cohort
    same_bits(killed_and_resumed(members, arena, after=3)[0], undisturbed)


def test_resumed_after_any_event_gives_the_same_bits() -> None:
    """Members leave at different epochs here: finished, converged and diverged."""
    arena = arena_of(small_table("regression"))
    family = small(FAMILIES["mlp"], norm="batch")
    recipes = [
        small_recipe(epochs=3, optimizer="momentum", schedule="plateau", plateau=1),
        small_recipe(epochs=2, optimizer="momentum", schedule="plateau", lr=0.1, patience=1),
    ]
    recipes.append(unbounded(recipes[0], 1e30))
    members = tuple(member(Candidate(i, family, recipe), i) for i, recipe in enumerate(recipes))
    undisturbed = run(cohort_of(members, arena))
    assert {r.status for r in undisturbed.cohort.records} >= {"finished", "diverged"}
    for after in range(1, len(undisturbed.events) - 1):
        resumed, events = killed_and_resumed(members, arena, after)
        same_bits(resumed, undisturbed.cohort)
        assert repr(events) == repr(undisturbed.events)  # in words: nan differs from itself


def test_a_restored_cohort_has_the_tensors_and_facts_that_were_saved() -> None:
    arena = arena_of(small_table("binary"))
    members = four_members(small(FAMILIES["mlp"], norm="batch"), small_recipe(optimizer="adam"))
    cohort = cohort_of(members, arena)
    list(zip(range(4), train(cohort, distance, maximise=False), strict=False))
    again = cohort_of(members, arena)
    again.restore({n: t.clone() for n, t in cohort.tensors().items()}, json.loads(json.dumps(cohort.facts())))
    assert again.facts() == cohort.facts()
    assert again.tensors().keys() == cohort.tensors().keys()
    assert all(torch.equal(again.tensors()[n], t) for n, t in cohort.tensors().items())


# ---- leakage ---------------------------------------------------------------------------------------------


def garbled(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """The dataset with everything in these rows changed: inputs, targets and weights."""
    assert dataset.target is not None
    assert dataset.weight is not None
    at = torch.from_numpy(rows)
    inputs = {name: column.clone() for name, column in dataset.inputs.items()}
    wide, g = inputs["numeric"].shape[1], torch.Generator().manual_seed(9)
    inputs["numeric"][at] = 1e6 * torch.randn(len(rows), wide, generator=g).to(inputs["numeric"])
    inputs["numeric"][at[::3]] = torch.nan
    inputs["category"][at] = 0
    if "image" in inputs:
        inputs["image"][at] = 255 - inputs["image"][at]
    if "sequence" in inputs:
        inputs["sequence"][at] *= -1e3
    for name in ("tokens", "answer"):
        if name in inputs:
            inputs[name][at] = torch.where(inputs[name][at] > 4, 5, inputs[name][at])
    target, weight = dataset.target.clone(), dataset.weight.clone()
    target[at] = torch.where(target[at] < 0, -1, 5) if "answer" in inputs else target.max() - target[at]
    weight[at] *= 7
    return dataclasses.replace(dataset, inputs=inputs, target=target, weight=weight)


@pytest.mark.parametrize("turn", range(len(TURNS)), ids=[t[0] for t in TURNS])
def test_validation_rows_teach_a_member_nothing(turn: int) -> None:
    _, family, target = TURNS[turn]
    dataset, members = small_data(family, target), four_members(family, small_recipe(epochs=1))
    place = turn % 2
    other = garbled(dataset, FOLDS[members[place].fold][1])
    before, after = (run(cohort_of(members, arena_of(data))) for data in (dataset, other))
    assert torch.equal(after.flat[place], before.flat[place])
    for name, buffer in before.buffers.items():
        assert torch.equal(after.buffers[name][place], buffer[place]), name
    scores = [epochs[0].validation[place] for epochs in (before.epochs, after.epochs)]
    assert scores[0] != scores[1]  # the rows did change


@by_kind
def test_test_rows_change_nothing(family: Family, target: str) -> None:
    dataset = small_data(family, target)
    members = four_members(family, small_recipe(schedule="plateau", plateau=1, patience=1))
    before = run(cohort_of(members, arena_of(dataset)))
    after = run(cohort_of(members, arena_of(garbled(dataset, TEST))))
    assert torch.equal(after.flat, before.flat)
    same_bits(after.cohort, before.cohort)
    assert after.events == before.events


def test_preparation_is_fitted_by_each_fold_alone() -> None:
    cohort = cohort_of(
        four_members(small(FAMILIES["mlp"]), small_recipe()), arena_of(small_table("regression"))
    )
    for name in ("network.prepare.center", "network.prepare.scale", "network.output.center"):
        first, second, third, again = cohort.buffers[name]
        assert not torch.equal(first, second)
        assert not torch.equal(first, third)
        assert torch.equal(third, again)  # the same fold


def test_epochs_are_whole_permutations_of_a_members_own_rows() -> None:
    cohort = cohort_of(four_members(small(FAMILIES["mlp"]), small_recipe()), arena_of(small_table("binary")))
    seen = []
    for _ in range(2):
        draw = cohort.draw()
        rows, present = torch.stack(draw.rows), torch.stack(draw.present).bool()
        for place, one in enumerate(cohort.members):
            mine = rows[:, place][present[:, place]]
            assert sorted(mine.tolist()) == sorted(FOLDS[one.fold][0].tolist())
        seen.append(rows[:, 0].tolist())
        cohort.end_epoch(draw)
    assert seen[0] != seen[1]


@by_family
def test_every_family_by_its_own_advice_together_and_alone(name: str) -> None:
    """The losses, optimizers and orders that a family asks for itself."""
    cls = FAMILIES[name]
    target = "multiclass" if "multiclass" in cls.tasks else targets_of(cls)[0]
    family = small(cls)
    arena = arena_of(small_data(family, target), dtype=DOUBLE)
    recipe = small_recipe(**cls.advice(TARGETS[target].task) | {"epochs": 1, **CALM} | steady(family))
    check_equals_ones(four_members(family, recipe), arena, (1,))
