"""A cohort whose batches and parameters are shared between processes comes to what it comes to in one."""

import dataclasses
import os
import signal

import numpy as np
import pytest
import torch
from several_processes import alone, ended, events_of, goes_on, processes, same
from small_cohorts import (
    FAMILIES,
    arena_of,
    cohort_of,
    four_members,
    member,
    small,
    small_data,
    small_recipe,
    small_table,
)

from coterie.errors import StudyError
from coterie.training.building import network_of
from coterie.training.events import CohortEnd, EpochEnd, Retire, StepEnd
from coterie.training.plan import Candidate, CohortPlan
from coterie.training.sharded import divisible, pays, within
from coterie.training.spread import Spread

# family, target, metric, its numbers, the recipe's; how many processes
CASES = {
    "dropout": ("mlp", "multiclass", "log_loss", {"dropout": 0.3}, {"clip": 0.5, "epochs": 10}, 2),
    "clipped": ("mlp", "regression", "rmse", {}, {"optimizer": "sgd", "clip": 0.1, "accumulate": 3}, 3),
    "steps": ("lstm", "regression", "rmse", {"dropout": 0.2}, {"accumulate": 2, "l2": 0.01}, 2),
    "statistics": ("mlp", "binary", "log_loss", {"norm": "batch"}, {"accumulate": 2, "batch_size": 12}, 3),
    "images": ("resnet", "binary", "log_loss", {}, {"recompute": True, "epochs": 2}, 2),
    "players": ("gan", "unsupervised", "mmd", {}, {}, 3),
    "texts": ("gpt", "text", "perplexity", {"dropout": 0.1}, {}, 2),
}


def shared(plan, arena, metric, ranks):
    return Spread(plan, arena, metric, ranks, shared=True)


@pytest.mark.parametrize("case", CASES)
def test_as_in_one_process(case, tmp_path):
    """In float64, the first case over 50 steps; 8 rows of a batch do not divide by 3, nor do parameters."""
    name, target, metric, numbers, settings, world = CASES[case]
    family = small(FAMILIES[name], **numbers)
    arena = arena_of(small_data(family, target), dtype=torch.float64)
    members = four_members(family, small_recipe(**{"epochs": 4, "eps": 1e-4} | settings), patience=3)[:1]
    cohort, others = alone(members, arena, metric)
    with processes(world, tmp_path) as (ranks, _):
        spread = shared(CohortPlan(0, members), arena, metric, ranks)
        assert spread.part.cohort.flat.shape[1] < spread.layout.parameters
        same(spread, cohort, ended(spread, spread.train()), others)


def test_two_members_on_three_processes(tmp_path):
    """Both shared by all; one has a shorter epoch, and leaves on the way. Statistics are lifted, too."""
    family = small(FAMILIES["mlp"], dropout=0.2, norm="batch")
    arena = arena_of(small_data(family, "binary"), dtype=torch.float64)
    members = four_members(family, small_recipe(epochs=6, eps=1e-4))[:2]
    commands = {3: Retire(((1, 1, 0),), "pruned")}
    cohort, others = alone(members, arena, "log_loss", commands)
    with processes(3, tmp_path) as (ranks, _):
        spread = shared(CohortPlan(0, members), arena, "log_loss", ranks)
        same(spread, cohort, ended(spread, spread.train(), commands), others)


@pytest.mark.parametrize(("first", "then"), [(2, 3), (1, 2), (3, 1)])
def test_a_state_goes_on_with_any_number_of_processes(first, then, tmp_path):
    """From the middle of an epoch: a cohort that is shared is whole between steps."""
    family = small(FAMILIES["mlp"], dropout=0.3)
    arena = arena_of(small_data(family, "multiclass"), dtype=torch.float64)
    members = four_members(family, small_recipe(epochs=10, optimizer="adam"))[:1]

    def in_the_middle(epochs, event):
        return epochs == 4 and isinstance(event, StepEnd) and event.step == 2

    facts = goes_on(first, then, in_the_middle, members, arena, "log_loss", tmp_path, shared=True)
    assert (facts["epoch"], facts["step"]) == (4, 2)


def test_a_command_ends_an_epoch_where_it_stands(tmp_path):
    family = small(FAMILIES["mlp"])
    arena = arena_of(small_data(family, "binary"), dtype=torch.float64)
    members = four_members(family, small_recipe(epochs=9))[:1]

    def stopped(events):
        found, command = [], None
        event = next(events)
        while not isinstance(event, CohortEnd):
            command = Retire() if isinstance(event, StepEnd) and (event.epoch, event.step) == (1, 2) else None
            found.append(event)
            event = events.send(command)
        return [event for event in found if isinstance(event, EpochEnd)]

    cohort = cohort_of(members, arena)
    others = stopped(events_of(cohort, "log_loss"))
    with processes(2, tmp_path) as (ranks, _):
        spread = shared(CohortPlan(0, members), arena, "log_loss", ranks)
        same(spread, cohort, stopped(spread.train()), others)


def test_a_process_that_is_gone_ends_it_with_one_clear_error(tmp_path):
    family = small(FAMILIES["mlp"])
    arena = arena_of(small_data(family, "binary"))
    members = four_members(family, small_recipe(epochs=50))[:1]
    with processes(2, tmp_path) as (ranks, (other,)):
        spread = shared(CohortPlan(0, members), arena, "log_loss", ranks)
        events = spread.train()
        for event in events:
            if isinstance(event, StepEnd):
                break
        os.kill(other.pid, signal.SIGKILL)
        other.join()
        with pytest.raises(StudyError, match="must stay at work"):
            list(events)


def test_what_is_shared_is_what_gains(tmp_path):
    """Not what a process would wait for, nor a member for each."""
    large = FAMILIES["mlp"](hidden=(4096, 4096), dropout=0.2)
    folds = ((np.arange(500), np.arange(500, 600)),)
    arena = arena_of(small_table("binary", 600), folds)
    recipe = small_recipe(batch_size=500)

    def plan(family, count=1, **settings):
        candidate = Candidate(0, family, dataclasses.replace(recipe, **settings))
        return CohortPlan(0, tuple(member(candidate, 0, seed) for seed in range(count)))

    with processes(2, tmp_path) as (ranks, _):
        assert pays(plan(large), arena, ranks)
        assert not pays(plan(small(FAMILIES["mlp"])), arena, ranks)
        assert not pays(plan(large, 2), arena, ranks)
        assert not pays(plan(large, batch_size=50), arena, ranks)


def test_rows_that_are_looked_at_together_are_not_divided():
    for name, numbers, target, answer in [
        ("mlp", {"norm": "batch"}, "binary", True),
        ("cnn", {"flip": 0.5}, "binary", True),
        ("cnn", {"mixup": 0.5}, "binary", False),
        ("simclr", {}, "unsupervised", False),
    ]:
        family = small(FAMILIES[name], **numbers)
        assert divisible(network_of(family, small_data(family, target))) == answer


def test_places_within_a_slice():
    assert within(slice(0, 4), slice(2, 8)) == slice(0, 2)
    assert within(slice(0, 9), slice(2, 8)) == slice(0, 6)
    assert within(slice(0, 4), slice(4, 8)) == slice(0, 0)
