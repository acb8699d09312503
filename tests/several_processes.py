"""Processes that work on one cohort, for tests: this one as the first, the others at its service.

The others are forked from a process that has imported what they need and done nothing else. Forked from this
one they would inherit what earlier tests left in it, and that does not outlive a fork: once autograd has
threads (one trace is enough where PyTorch is built with CUDA) it refuses to work in the child, and a process
group that is collected in the child waits for threads that are not there.
"""

import contextlib
import multiprocessing
import time

import pytest
import torch
import torch.distributed as dist
from another_process import SECONDS, other
from small_cohorts import cohort_of

from coterie.errors import StudyError
from coterie.metrics.catalogue import METRICS
from coterie.training.events import CohortEnd, EpochEnd
from coterie.training.loop import train
from coterie.training.plan import CohortPlan
from coterie.training.ranks import Ranks
from coterie.training.spread import Spread

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch._dynamo", "coterie.training.sharded", "coterie.training.spread"])


@contextlib.contextmanager
def processes(world, folder):
    """This process as the first of so many, and the others' handles."""
    store = f"file://{folder}/store-{time.monotonic_ns()}"
    others = [CONTEXT.Process(target=other, args=(r, world, store), daemon=True) for r in range(1, world)]
    for process in others:
        process.start()
    dist.init_process_group("gloo", init_method=store, rank=0, world_size=world, timeout=SECONDS)
    ranks = Ranks(0, world)
    try:
        yield ranks, others
    finally:
        with contextlib.suppress(StudyError):
            ranks.broadcast(("end", None))
        dist.destroy_process_group()
        for process in others:
            process.join(20)


def ended(cohort, events, commands=None):
    """All events of a cohort; commands: what to answer to the end of an epoch."""
    found, event = [], next(events)
    while not isinstance(event, CohortEnd):
        if isinstance(event, EpochEnd):
            found.append(event)
        told = (commands or {}).get(event.epoch) if isinstance(event, EpochEnd) and event.members else None
        event = events.send(told)
    return found


def events_of(cohort, metric):
    """The training of a cohort, in one process or in several."""
    if isinstance(cohort, Spread):
        return cohort.train()
    chosen = METRICS[metric]
    return train(cohort, chosen.function, chosen.maximise, chosen.view)


def alone(members, arena, metric, commands=None):
    cohort = cohort_of(members, arena)
    return cohort, ended(cohort, events_of(cohort, metric), commands)


@contextlib.contextmanager
def in_any_number(world, members, arena, metric, folder, shared=False):
    """A new cohort in so many processes; in one it is an ordinary one."""
    if world == 1:
        yield cohort_of(members, arena)
        return
    with processes(world, folder) as (ranks, _):
        yield Spread(CohortPlan(0, members), arena, metric, ranks, shared=shared)


def goes_on(first, then, stops, members, arena, metric, folder, shared=False):
    """What `first` processes leave, once `stops(epochs ended, event)`, and `then` others go on from, comes to
    what one process comes to undisturbed. Returns the facts of the state in between.
    """
    cohort, others = alone(members, arena, metric)
    begun = []
    with in_any_number(first, members, arena, metric, folder, shared) as one:
        for event in events_of(one, metric):
            if isinstance(event, EpochEnd):
                begun.append(event)
            if stops(len(begun), event):
                break
        tensors = {name: tensor.clone() for name, tensor in one.tensors().items()}
        facts = one.facts()
    with in_any_number(then, members, arena, metric, folder, shared) as other:
        other.restore(tensors, facts)
        same(other, cohort, begun + ended(other, events_of(other, metric)), others)
    return facts


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
