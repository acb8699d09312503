"""The loop: epochs of a cohort until its last member is retired. It yields events and calls nobody.

A listener iterates, and may answer an event with `Retire` through `send`: that ends the epoch where it
stands if it names all who live; otherwise the others finish theirs first, so that nobody's result depends
on a neighbour's going. The cohort is whole between any two events, so a listener that stops iterating can
save it, and `train` on the restored cohort goes on.

A living members, v validation rows of the largest fold, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import torch
from torch import Tensor

from coterie.objectives.supervised import flattened
from coterie.training.cohort import Cohort, member_id
from coterie.training.events import (
    CohortEnd,
    CohortStart,
    EpochEnd,
    Event,
    MemberId,
    Retire,
    Retired,
    StepEnd,
)
from coterie.training.solvers import solve_ridge

Score = Callable[[Tensor, Tensor, Tensor], Tensor]
Beside = Callable[[Tensor, Tensor], dict[str, Tensor]]


def train(
    cohort: Cohort, score: Score, maximise: bool, view: str = "forward", beside: Beside | None = None
) -> Generator[Event, Retire | None, None]:
    """Trains until no member is alive.

    view: what of the networks is scored: their answers, or their "raw" outputs. score: (outputs (A, v, K),
    targets (A, v[, K]), weights (A, v)) → (A,), rows of weight 0 being padding.
    maximise: whether more is better. beside: (outputs, weights) → what else there is to tell of each member,
    (A,) by name. Members without validation rows train all their epochs.
    """
    plan = cohort.plan
    start = CohortStart(plan.index, len(cohort.alive), cohort.layout.parameters, steps_left(cohort))
    yield from _between(cohort, (yield start))
    leaving: dict[MemberId, str] = {}
    while cohort.alive:
        if plan.recipe.optimizer == "exact":
            solve_ridge(cohort)
            train_loss: list[float | None] = [None] * len(cohort.alive)
            cohort.epoch += 1
        else:
            draw = cohort.draw()
            steps = int(draw.busy.max())
            while cohort.step < steps and not (leaving and leaving.keys() >= set(cohort.ids)):
                cohort.advance(draw)
                event = StepEnd(plan.index, cohort.epoch, cohort.step, steps, len(cohort.alive))
                leaving |= _named((yield event), cohort)
            train_loss = cohort.end_epoch(draw)
        ids = cohort.ids
        found = validate(cohort, score, view, beside)
        train_loss, (scores, more) = cohort.agreed((train_loss, found))
        retired = _retire(cohort, _judge(cohort, train_loss, scores, maximise, leaving))
        told = (tuple(train_loss), tuple(scores), retired, more)
        leaving = {}
        yield from _between(cohort, (yield EpochEnd(plan.index, cohort.epoch, ids, *told)))
    yield CohortEnd(plan.index)


def _between(cohort: Cohort, command: Retire | None) -> Generator[Event, Retire | None, None]:
    """Whom a command between two epochs names go as they are, and nothing new is known of anybody."""
    leaving = _named(command, cohort)
    if leaving:
        retired = _retire(cohort, _stop(cohort, leaving))
        yield EpochEnd(cohort.plan.index, cohort.epoch, (), (), (), retired)


def steps_left(cohort: Cohort) -> int:
    """The most steps that are left, if nobody stops early."""
    if cohort.plan.recipe.optimizer == "exact":
        return 1
    longest = max((m.candidate.recipe.epochs for m in cohort.members), default=0)
    return max(0, longest - cohort.epoch) * int(cohort.epoch_steps.max()) - cohort.step


def validate(
    cohort: Cohort, score: Score, view: str = "forward", beside: Beside | None = None
) -> tuple[list[float | None], dict[str, tuple[float | None, ...]]]:
    """The score of each living member on its own validation rows, None where there are none; and of what is
    told beside it the same, by name."""
    if not cohort.validation.shape[1]:
        return [None] * len(cohort.alive), {}
    rows = cohort.validation[cohort.fold_of]
    values = cohort.outputs(rows, view)
    counts = cohort.validation_counts[cohort.fold_of]
    real = torch.arange(rows.shape[1], device=rows.device) < counts[:, None]
    target, weight = cohort.arena.data["target"][rows], cohort.arena.data["weight"][rows] * real
    if cohort.steps.each_step:
        values, target, weight = flattened(values, target, weight)
    if cohort.arena.dataset.task == "text":
        target = torch.zeros_like(target)  # what was said is already of the true token: see `Writer`
    found = {} if beside is None else beside(values, weight)
    more = {name: tuple(_known(each, counts)) for name, each in found.items()}
    return _known(score(values, target, weight), counts), more


def _known(scores: Tensor, counts: Tensor) -> list[float | None]:
    """Scores (A,) of the members that have rows."""
    return [value if count else None for value, count in zip(scores.tolist(), counts.tolist(), strict=True)]


def _judge(
    cohort: Cohort,
    losses: list[float | None],
    scores: list[float | None],
    maximise: bool,
    leaving: dict[MemberId, str],
) -> dict[int, str]:
    """Updates every living member's record and best weights; returns who is done (by place), and why."""
    done: dict[int, str] = {}
    improved: list[int] = []
    finite = cohort.finite()
    for place, (member, loss, value) in enumerate(zip(cohort.members, losses, scores, strict=True)):
        recipe, record = member.candidate.recipe, cohort.records[cohort.alive[place]]
        record.epochs = cohort.epoch
        if not finite[place] or loss != loss:  # nan differs from itself
            done[place] = "diverged"
            continue
        if _better(value, record.score, maximise):
            record.score, record.best_epoch, record.waits, record.stale = value, cohort.epoch, 0, 0
            improved.append(place)
        elif value is not None:
            record.waits, record.stale = record.waits + 1, record.stale + 1
            if recipe.schedule == "plateau" and record.stale >= recipe.plateau:
                record.drops, record.stale = record.drops + 1, 0
            if recipe.patience and record.waits >= recipe.patience:
                done[place] = "converged"
        if cohort.epoch >= recipe.epochs or recipe.optimizer == "exact":
            done[place] = "finished"
        elif member_id(member) in leaving:
            done[place] = leaving[member_id(member)]
        if place in done and (record.score is None or not recipe.patience):
            # nothing to choose by, or asked not to choose: the last weights are kept, with their score
            record.best_epoch = cohort.epoch
            record.score = record.score if value is None or value != value else value
            improved.append(place)
    cohort.keep_best(improved)
    return done


def _named(command: Retire | None, cohort: Cohort) -> dict[MemberId, str]:
    """Whom of the living a command names, and why they leave."""
    if command is None:
        return {}
    named = set(cohort.ids if command.members is None else command.members)
    return {member: command.status for member in cohort.ids if member in named}


def _stop(cohort: Cohort, leaving: dict[MemberId, str]) -> dict[int, str]:
    """Who of the living leaves between two epochs; one that has no score keeps its last weights."""
    done = {place: leaving[member] for place, member in enumerate(cohort.ids) if member in leaving}
    unscored = [place for place in done if cohort.records[cohort.alive[place]].score is None]
    for place in unscored:
        cohort.records[cohort.alive[place]].best_epoch = cohort.epoch
    cohort.keep_best(unscored)
    return done


def _better(value: float | None, best: float | None, maximise: bool) -> bool:
    if value is None or value != value:
        return False
    return best is None or (value > best if maximise else value < best)


def _retire(cohort: Cohort, done: dict[int, str]) -> tuple[Retired, ...]:
    left: list[tuple[MemberId, int]] = [(cohort.ids[place], cohort.alive[place]) for place in sorted(done)]
    if done:
        cohort.retire(done)
    records = [(member, cohort.records[i]) for member, i in left]
    return tuple(Retired(m, r.status, r.epochs, r.best_epoch, r.score) for m, r in records)
