"""Trying the candidates: batch after batch, each grouped into cohorts and trained to its end."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from coterie.metrics.catalogue import Metric
from coterie.models.shape import Shape
from coterie.study.batches import Batches
from coterie.study.events import BatchStart, Phase, StudyEvent
from coterie.study.fitted import score_candidates
from coterie.study.fitting import Clock, Trained, fit_cohorts, read_trained
from coterie.study.folder import Folder
from coterie.study.halving import rounds_for
from coterie.study.planning import costs_of, planned, room_for
from coterie.study.problem import Problem
from coterie.study.question import Question
from coterie.study.rates import RangeTest, range_tests, with_rates
from coterie.study.search import asks_auto
from coterie.study.selection import Scored
from coterie.training.arena import Arena
from coterie.training.plan import Candidate, CohortPlan, make_plan


@dataclass(frozen=True)
class Tried:
    """All that was tried. batches: how many candidates each had; meant: how many there were to be in all."""

    candidates: tuple[Candidate, ...] = ()
    plans: tuple[CohortPlan, ...] = ()
    tests: tuple[RangeTest, ...] = ()
    trained: tuple[Trained, ...] = ()
    ranked: tuple[Scored, ...] = ()
    batches: tuple[int, ...] = ()
    meant: int = 0


def try_all(
    folder: Folder,
    question: Question,
    problem: Problem,
    batches: Batches,
    arena: Arena,
    metric: Metric,
    clock: Clock,
) -> Generator[StudyEvent, None, Tried]:
    """Trains every batch; what is trained already is read. When the clock runs out no more are asked for."""
    tried = Tried()
    for number in range(len(batches.sizes)):
        new = batches.batch(number, tried.ranked)
        if not new:
            break
        rounds = rounds_for(question.search, len(new))
        costs, shape = costs_of(new, problem), Shape.of(problem.schema)
        room = {c.index: room_for(c, costs[c.index], shape, problem.training_rows) for c in new}
        tests: list[RangeTest] = []
        if asks_auto(question.fix):
            for test in range_tests(new, arena, question.seed, room):
                tests.append(test)
                yield Phase("rates", f"{test.family}: {test.lr:.2g}")
            new = with_rates(new, tests)
        plans = _grouped(new, room, len(arena.training), question, len(tried.plans))
        if number == 0:
            yield planned(plans, new, costs, problem, metric, rounds, batches.sizes)
        if number == 0 or tests:
            yield Phase("training")
        if len(batches.sizes) > 1:
            before = sum(len(plan.members) for plan in tried.plans)
            yield BatchStart(number, len(batches.sizes), len(new), len(tried.plans), len(plans), before)
        yield from fit_cohorts(folder, plans, arena, metric, clock, rounds, question.compile)
        candidates, all_plans = (*tried.candidates, *new), (*tried.plans, *plans)
        trained = (*tried.trained, *read_trained(folder, plans))
        tried = Tried(
            candidates,
            all_plans,
            (*tried.tests, *tests),
            trained,
            tuple(score_candidates(candidates, trained, problem)),
            (*tried.batches, len(new)),
        )
        batches.tell(tried.ranked)
        if clock.over:
            return replace(tried, meant=max(len(candidates), sum(batches.sizes)))
    return replace(tried, meant=len(tried.candidates))


def _grouped(
    candidates: tuple[Candidate, ...], room: dict[int, int], folds: int, question: Question, first: int
) -> tuple[CohortPlan, ...]:
    """Their cohorts, numbered on from those of earlier batches."""
    plans = make_plan(candidates, folds, question.seeds, question.seed, lambda c: room[c.index])
    return tuple(replace(plan, index=first + plan.index) for plan in plans)
