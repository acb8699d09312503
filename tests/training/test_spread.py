"""Members that are spread over processes come to what they come to in one; any number of them goes on."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from small_cohorts import FAMILIES, arena_of, cohort_of, four_members, small, small_data, small_recipe

import coterie as ct
from coterie.errors import StudyError
from coterie.metrics.catalogue import METRICS
from coterie.training.events import CohortEnd, EpochEnd, Retire, StepEnd
from coterie.training.loop import train
from coterie.training.plan import CohortPlan
from coterie.training.ranks import Ranks
from coterie.training.spread import Spread, serve

SECONDS = timedelta(seconds=60)


def _other(rank: int, world: int, store: str) -> None:
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world, timeout=SECONDS)
    with contextlib.suppress(StudyError):
        serve(Ranks(rank, world))
    os._exit(0)


@contextlib.contextmanager
def processes(world, folder):
    """This process as the first of so many, and the others' handles."""
    store = f"file://{folder}/store-{time.monotonic_ns()}"
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_other, args=(r, world, store), daemon=True) for r in range(1, world)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons: forks beside threads
        for other in others:
            other.start()
    dist.init_process_group("gloo", init_method=store, rank=0, world_size=world, timeout=SECONDS)
    ranks = Ranks(0, world)
    try:
        yield ranks, others
    finally:
        with contextlib.suppress(StudyError):
            ranks.broadcast(("end", None))
        dist.destroy_process_group()
        for other in others:
            other.join(20)


def ended(cohort, events, commands=None):
    """All events of a cohort; commands: what to answer to the end of an epoch."""
    found, event = [], next(events)
    while not isinstance(event, CohortEnd):
        if isinstance(event, EpochEnd):
            found.append(event)
        told = (commands or {}).get(event.epoch) if isinstance(event, EpochEnd) and event.members else None
        event = events.send(told)
    return found


def alone(members, arena, metric, commands=None):
    cohort, chosen = cohort_of(members, arena), METRICS[metric]
    return cohort, ended(cohort, train(cohort, chosen.function, chosen.maximise, chosen.view), commands)


def same(one, other, events, others):
    torch.testing.assert_close(one.best, other.best, rtol=1e-9, atol=1e-9)
    for name, buffer in other.best_buffers.items():
        torch.testing.assert_close(one.best_buffers[name], buffer, rtol=1e-9, atol=1e-9)
    assert [(r.status, r.epochs, r.best_epoch) for r in one.records] == [
        (r.status, r.epochs, r.best_epoch) for r in other.records
    ]
    assert [(e.epoch, e.members, [r.member for r in e.retired]) for e in events] == [
        (e.epoch, e.members, [r.member for r in e.retired]) for e in others
    ]
    for mine, theirs in zip(events, others, strict=True):
        assert mine.train == pytest.approx(theirs.train, rel=1e-9)
        assert mine.validation == pytest.approx(theirs.validation, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "target", "metric"),
    [("mlp", "multiclass", "log_loss"), ("linear", "regression", "rmse"), ("gan", "unsupervised", "mmd")],
)
@pytest.mark.parametrize("world", [2, 3])
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
    cohort, others = alone(members, arena, "log_loss")
    plan, chosen, begun = CohortPlan(0, members), METRICS["log_loss"], []

    def events_of(cohort):
        if isinstance(cohort, Spread):
            return cohort.train()
        return train(cohort, chosen.function, chosen.maximise, chosen.view)

    @contextlib.contextmanager
    def of(world):
        if world == 1:
            yield cohort_of(members, arena)
        else:
            with processes(world, tmp_path) as (ranks, _):
                yield Spread(plan, arena, "log_loss", ranks)

    with of(first) as one:
        for event in events_of(one):
            if isinstance(event, EpochEnd):
                begun.append(event)
            if len(begun) == 4 or (
                first == 1 and len(begun) == 3 and isinstance(event, StepEnd) and event.step == 2
            ):
                break  # of one process in the middle of an epoch
        tensors = {name: tensor.clone() for name, tensor in one.tensors().items()}
        facts = one.facts()
    with of(then) as other:
        other.restore(tensors, facts)
        rest = ended(other, events_of(other))
        same(other, cohort, begun + rest, others)


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
