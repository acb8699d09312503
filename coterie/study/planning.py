"""From a question and its problem to what will be trained: metric, device, candidates, sizes, estimate."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from coterie.errors import SpecError
from coterie.metrics.catalogue import Metric, default_metric, metric_named, told
from coterie.models.catalogue import family_named
from coterie.models.shape import Shape
from coterie.models.skeleton import skeleton
from coterie.study.events import Planned
from coterie.study.halving import Round, shares
from coterie.study.problem import Problem
from coterie.study.question import SAMPLERS, Question
from coterie.study.search import batch_sizes, number_of_candidates, propose, usual
from coterie.study.space import Space
from coterie.training.cost import Cost, cost_of
from coterie.training.plan import Candidate, CohortPlan
from coterie.training.recompute import blocks_of

ROOM = 1 << 30  # bytes that the arrays of one cohort may take
DRAWN = 28  # bytes a row that an epoch's order takes of a member
SPEED = 1.5e10  # multiply-adds a second, for the estimate before a start


def metric_of(question: Question, problem: Problem) -> Metric:
    """What selection goes by: what was asked for, or what suits the task (without labels, the families)."""
    task = problem.roles.target.task
    if not question.metric:
        return default_metric(task, measures_of(question, problem))
    metric = metric_named(question.metric, task)
    measures = measures_of(question, problem)
    if any(metric.name not in own for own in measures.values()):
        raise SpecError(
            "The metric must be one that every family has.",
            given=f"'{metric.name}', where {told(measures)}",
            fix="Choose another metric, or other families.",
        )
    return metric


def measures_of(question: Question, problem: Problem) -> dict[str, tuple[str, ...]]:
    """What each of the families can be judged by, where they learn without labels; else {}."""
    task = problem.roles.target.task
    if task != "unsupervised":
        return {}
    names = question.models or usual(Shape.of(problem.schema), task)
    return {name: getattr(family_named(name), "measures", ()) for name in names}


def device_of(name: str) -> torch.device:
    """The device of that name; auto takes a CUDA one if there is any."""
    present: dict[str, Callable[[], bool]] = {
        "cpu": lambda: True,
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = name.partition(":")[0]
    if kind not in present:
        raise SpecError("device must be one of auto, cpu, cuda, mps.", given=repr(name))
    if not present[kind]():
        raise SpecError("device must be one that this machine has.", given=repr(name), fix="Use device=auto.")
    return torch.device(name)


def candidates_of(
    question: Question,
    problem: Problem,
    held: Mapping[str, Any] | None = None,
    count: int | None = None,
) -> tuple[Candidate, ...]:
    """What is tried, or of a search that asks a sampler the first batch of it.

    held: hyperparameters that stay as an earlier model has them, unless the question fixes them. count: how
    many, if not as the question has it.
    """
    if count is None:
        count = number_asked(question, problem)
        if question.search in SAMPLERS:
            families = space_of(question, problem, held or {}).families
            if question.search == "gp" and len(families) > 1:
                raise SpecError(
                    "A Gaussian process searches over one family.",
                    given=f"search=gp with {', '.join(family.name for family in families)}",
                    fix="Name one with --models, or use search=tpe.",
                )
            count = batch_sizes(count, len(families))[0]
    candidates = propose(
        question.models,
        shape=Shape.of(problem.schema),
        task=problem.roles.target.task,
        rows=problem.training_rows,
        count=count,
        fix={**(held or {}), **question.fix},
        grid=question.grid,
        seed=question.seed,
    )
    if not problem.folds and len(candidates) > 1:
        raise SpecError(
            "Without folds nothing can choose between candidates.",
            given=f"folds=0 and a grid of {len(candidates)}",
            fix="Give one value each, or let there be folds.",
        )
    kinds = {(c.family.name, c.family.structure()): c.family for c in candidates}.values()
    networks = [skeleton(kind, problem.schema) for kind in kinds]  # what cannot be built says so now
    again = any(c.recipe.recompute for c in candidates)
    if again and not any(any(blocks_of(network)) for network in networks):
        raise SpecError(
            "Only what is made of blocks can be computed again block by block.",
            given=f"recompute=true for {', '.join(sorted({c.family.name for c in candidates}))}",
            fix="Leave it out, or use accumulate for less memory.",
        )
    return candidates


def number_asked(question: Question, problem: Problem) -> int:
    """How many candidates are to be tried; one, where nothing can choose between them."""
    if not problem.folds:
        return 1
    return question.candidates or number_of_candidates(Shape.of(problem.schema), question.models)


def space_of(question: Question, problem: Problem, held: Mapping[str, Any]) -> Space:
    """What a sampler may choose. held: as of `candidates_of`."""
    shape, task = Shape.of(problem.schema), problem.roles.target.task
    return Space.of(question.models, shape, task, problem.training_rows, {**held, **question.fix})


def costs_of(candidates: tuple[Candidate, ...], problem: Problem) -> dict[int, Cost]:
    """What each candidate's network costs, by the candidate's index."""
    target, shape = problem.schema.target, Shape.of(problem.schema)
    assert target is not None
    known: dict[object, Cost] = {}
    for candidate in candidates:
        structure = (candidate.family.name, candidate.family.structure())
        if structure not in known:
            known[structure] = cost_of(candidate.family, shape, target.task, target.outputs)
    return {c.index: known[c.family.name, c.family.structure()] for c in candidates}


def room_for(candidate: Candidate, cost: Cost, shape: Shape, rows: int = 0) -> int:
    """How many such members to train at once; a formula, so that every run groups alike.

    One, where members together are no faster than one after the other, or memory is short. rows: that each
    draws an order of.
    """
    if candidate.recipe.recompute or not candidate.family.lifts(shape):
        return 1
    part = -(-candidate.recipe.batch_size // candidate.recipe.accumulate)
    numbers = 8 * cost.parameters + 2 * part * cost.activations
    return max(1, min(1024, ROOM // (4 * numbers + DRAWN * rows)))


def planned(
    plans: tuple[CohortPlan, ...],
    candidates: tuple[Candidate, ...],
    costs: dict[int, Cost],
    problem: Problem,
    metric: Metric,
    rounds: Sequence[Round],
    sizes: Sequence[int],
) -> Planned:
    """What will be trained. plans, candidates: the first batch; sizes: of all batches."""
    work = 0.0
    for plan in plans:
        if plan.recipe.optimizer != "exact":
            cost = costs[plan.members[0].candidate.index]
            epochs = statistics.mean(m.candidate.recipe.epochs for m in plan.members)
            steps = epochs * -(-problem.training_rows // plan.recipe.batch_size)
            row = 3 * cost.multiply_adds + 10 * cost.activations
            work += steps * (
                1.5e-3 + len(plan.members) * (row * plan.recipe.batch_size + 30 * cost.parameters) / SPEED
            )
    all_of_it = max(len(candidates), sum(sizes)) / len(candidates) if len(sizes) > 1 else 1
    return Planned(
        members=round(all_of_it * sum(len(p.members) for p in plans)),
        cohorts=len(plans),
        candidates=round(all_of_it * len(candidates)),
        families=tuple(dict.fromkeys(c.family.name for c in candidates)),
        parameters=max(cost.parameters for cost in costs.values()),
        metric=metric.label,
        maximise=metric.maximise,
        estimate_seconds=all_of_it * work * sum(shares(rounds, len(candidates))),
        batches=len(sizes),
    )
