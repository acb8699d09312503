"""Members for the bars, trained by the engine alone: no baselines, no report, one family, one candidate.

Seeds 0, 1, … are the seeds of studies: each member begins as the only member of `coterie fit --seed` does.
The split is that of seed 0 for all of them, so that they can be trained as one program.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Bar = tuple[str, float, str, float]  # what, figure, "≥", "≤" or "" for a figure without a bar, bar
Bars = Callable[[int, Path], Iterator[Bar]]  # of how many seeds, and a folder to work in


@dataclass(frozen=True)
class Learned:
    """model: an ensemble whose members are the seeds; problem: what they were given."""

    problem: Any
    model: Any

    def alone(self) -> list[Any]:
        """A model of each seed."""
        return [self.model.subset([place]) for place in range(len(self.model.members))]


def learned(
    data: Any,
    family: str,
    seeds: int,
    fix: dict[str, Any] | None = None,
    quiet: bool = False,
    **asked: Any,
) -> Learned:
    """The family's defaults, but for `fix`, trained with each seed on one validation split.

    asked: other options of `coterie.fit` by name; with more folds, a member for each.
    """
    import torch

    from coterie.data.read import read
    from coterie.metrics.catalogue import default_metric
    from coterie.models.shape import Shape
    from coterie.study.fitted import assemble
    from coterie.study.fitting import Trained
    from coterie.study.planning import candidates_of, costs_of, room_for
    from coterie.study.problem import pose
    from coterie.study.question import Question
    from coterie.training.cohort import Arena, Cohort
    from coterie.training.loop import train
    from coterie.training.plan import CohortPlan, Member, member_key

    start = time.perf_counter()
    table = read(data)
    options = {"models": (family,), "candidates": 1, "folds": 1, "fix": fix or {}, **asked}
    question = Question(table.source, **options)
    problem = pose(question, table)
    (candidate,) = candidates_of(question, problem)
    cost = costs_of((candidate,), problem)[0]
    room = room_for(candidate, cost, Shape.of(problem.schema))
    empty = problem.development[:0]
    arena = Arena.of(problem.dataset, problem.folds or ((problem.development, empty),), torch.device("cpu"))
    metric = default_metric(problem.roles.target.task)
    members = [
        Member(candidate, fold, seed, member_key(seed, fold, 0))
        for seed in range(seeds)
        for fold in range(len(arena.training))
    ]
    done = []
    for first in range(0, len(members), room):
        cohort = Cohort(CohortPlan(len(done), tuple(members[first : first + room])), arena)
        for _ in train(cohort, metric.function, metric.maximise):
            pass
        done.append(
            Trained(
                cohort.plan, cohort.best, cohort.best_buffers, tuple(cohort.records), cohort.layout.parameters
            )
        )
    epochs = [record.epochs for trained in done for record in trained.records]
    if not quiet:
        print(
            f"  {family}: {cost.parameters:,} parameters, {len(members)} networks, "
            f"{min(room, len(members))} at a time, "
            f"{min(epochs)} to {max(epochs)} epochs, {time.perf_counter() - start:.0f} s",
            flush=True,
        )
    return Learned(problem, assemble(problem, candidate, done, {}))


def spread(values: list[float]) -> str:
    """Every seed's figure, for the line beside a mean."""
    return ", ".join(f"{value:.4g}" for value in values)
