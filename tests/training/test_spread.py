"""Members that are spread over processes come to what they come to in one; any number of them goes on."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from several_processes import alone, ended, goes_on, processes, same
from small_cohorts import FAMILIES, arena_of, cohort_of, four_members, small, small_data, small_recipe

import coterie as ct
from coterie.errors import StudyError
from coterie.training.events import Retire, StepEnd
from coterie.training.plan import CohortPlan
from coterie.training.spread import Spread


@pytest.mark.parametrize(
    ("name", "target", "metric", "world"),
    [
        ("mlp", "multiclass", "log_loss", 2),
        ("mlp", "multiclass", "log_loss", 3),
        ("linear", "regression", "rmse", 3),
        ("gan", "unsupervised", "mmd", 2),
    ],
)
def test_as_in_one_process(name, target, metric, world, tmp_path):
    """50 steps in float64; a third process has one member of four, and somebody leaves on the way."""
    family = small(FAMILIES[name], **({"norm": "batch"} if name == "mlp" else {}))
    arena = arena_of(small_data(family, target), dtype=torch.float64)
    members = four_members(family, small_recipe(epochs=10, eps=1e-4), patience=3)
    commands = {4: Retire(((0, 2, 1),), "pruned")}
    cohort, others = alone(members, arena, metric, commands)
    with processes(world, tmp_path) as (ranks, _):
        spread = Spread(CohortPlan(0, members), arena, metric, ranks)
        events = ended(spread, spread.train(), commands)
        same(spread, cohort, events, others)


def test_more_processes_than_members(tmp_path):
    family = small(FAMILIES["mlp"])
    arena = arena_of(small_data(family, "binary"), dtype=torch.float64)
    members = four_members(family, small_recipe())[:2]
    cohort, others = alone(members, arena, "log_loss")
    with processes(3, tmp_path) as (ranks, _):
        spread = Spread(CohortPlan(0, members), arena, "log_loss", ranks)
        same(spread, cohort, ended(spread, spread.train()), others)


@pytest.mark.parametrize(("first", "then"), [(1, 3), (2, 3), (3, 1)])
def test_a_state_goes_on_with_any_number_of_processes(first, then, tmp_path):
    family = small(FAMILIES["mlp"], norm="batch")
    arena = arena_of(small_data(family, "multiclass"), dtype=torch.float64)
    members = four_members(family, small_recipe(epochs=6, optimizer="adam"), epochs=3)  # two leave early

    def stops(epochs, event):  # of one process in the middle of an epoch
        middle = first == 1 and epochs == 3 and isinstance(event, StepEnd) and event.step == 2
        return middle or epochs == 4

    goes_on(first, then, stops, members, arena, "log_loss", tmp_path)


def test_another_cohorts_state_is_refused(tmp_path):
    family = small(FAMILIES["mlp"])
    arena = arena_of(small_data(family, "binary"))
    members = four_members(family, small_recipe())
    state = cohort_of(members[:3], arena)
    with processes(2, tmp_path) as (ranks, _):
        spread = Spread(CohortPlan(0, members), arena, "log_loss", ranks)
        with pytest.raises(ValueError, match="shape"):
            spread.restore(state.tensors(), state.facts())


def test_a_process_that_is_gone_ends_it_with_one_clear_error(tmp_path):
    family = small(FAMILIES["mlp"])
    arena = arena_of(small_data(family, "binary"))
    members = four_members(family, small_recipe(epochs=50))
    with processes(2, tmp_path) as (ranks, (other,)):
        spread = Spread(CohortPlan(0, members), arena, "log_loss", ranks)
        events = spread.train()
        next(events)
        os.kill(other.pid, signal.SIGKILL)
        other.join()
        with pytest.raises(StudyError, match="must stay at work"):
            list(events)


@pytest.mark.usefixtures("without_pages", "one_baseline")
def test_a_study_by_torchrun(tmp_path):
    """Two real processes, from the command line: one summary, one study, the numbers of one process."""
    words = ["fit", "iris", "--models", "mlp", "--candidates", "2", "--folds", "2", "--epochs", "4", "--json"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "coterie"]
    ran = subprocess.run(
        [sys.executable, *torchrun, *words, "--search", "halving", "--out", "two"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count('"study"') == 1
    two = ct.open_study(tmp_path / "two").facts
    asked = {"models": "mlp", "candidates": 2, "folds": 2, "epochs": 4, "search": "halving"}
    one = ct.fit("iris", **asked, out=tmp_path / "one").facts
    for a, b in zip(one["candidates"], two["candidates"], strict=True):
        for mine, theirs in zip(a["scores"], b["scores"], strict=True):
            assert mine == theirs | {"value": pytest.approx(theirs["value"], rel=1e-5)}
    assert one["winner"]["index"] == two["winner"]["index"]
