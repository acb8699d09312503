"""Members for the bars, trained by the engine alone: no baselines, no report, one family, one candidate.

Seeds 0, 1, … are those of studies: each member has the split, the start and the batches that the member of
`coterie fit --candidates 1 --folds 1 --seed` has, and all seeds are trained as one program where the family
gains by it.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import coterie  # noqa: F401  (before PyTorch: it says how PyTorch's threads wait for each other)

Bar = tuple[str, float, str, float]  # what, figure, "≥", "≤" or "" for a figure without a bar, bar
Bars = Callable[[int, Path], Iterator[Bar]]  # of how many seeds, and a folder to work in
CORES = 2
Made = TypeVar("Made")


@dataclass(frozen=True)
class Learned:
    """model: all members as one ensemble. Of each seed: its model, and the frames of rows that it learned
    from or stopped by, and of others.
    """

    problem: Any
    model: Any
    models: list[Any]
    known: list[Any]
    tests: list[Any]


def learned(
    data: Any,
    family: str,
    seeds: int,
    fix: dict[str, Any] | None = None,
    quiet: bool = False,
    earlier: Any = None,
    first: int = 0,
    **asked: Any,
) -> Learned:
    """The family's defaults, but for `fix`, trained with each seed from `first` on, on its own split.

    earlier: a model whose weights to start from, member by member in turn, as `--init` does; asked: other
    options of `coterie.fit` by name; with more folds than one there is a member for each.
    """
    import torch

    from coterie.data.read import read
    from coterie.models.shape import Shape
    from coterie.study.fitted import assemble
    from coterie.study.fitting import Trained
    from coterie.study.initial import of_model, posed
    from coterie.study.planning import costs_of, metric_of, room_for
    from coterie.study.question import Question
    from coterie.training.arena import Arena
    from coterie.training.cohort import Cohort
    from coterie.training.loop import train
    from coterie.training.plan import CohortPlan, Member, member_key

    start = time.process_time()
    table = read(data)
    options = {"models": (family,), "candidates": 1, "folds": 1, "fix": fix or {}, **asked}
    question = Question(table.source, **options)
    initial = None if earlier is None else of_model(earlier, "an earlier model")
    asks = [dataclasses.replace(question, seed=first + s) for s in range(seeds)]
    all_posed = [posed(ask, table, None, initial) for ask in asks]
    problems = [one.problem for one in all_posed]
    problem, (candidate,) = problems[0], all_posed[0].candidates
    cost = costs_of((candidate,), problem)[0]
    room = room_for(candidate, cost, Shape.of(problem.schema))
    parts = [p.folds or ((p.development, p.development[:0]),) for p in problems]
    folds = tuple(fold for part in parts for fold in part)
    arena = Arena.of(problem.dataset, folds, torch.device("cpu"), start=all_posed[0].start)
    metric = metric_of(question, problem)
    members: list[Member] = []
    for seed, part in enumerate(parts):
        members += [
            Member(candidate, len(members) + i, seed, member_key(first + seed, i, 0))
            for i in range(len(part))
        ]
    done: list[Trained] = []
    for begin in range(0, len(members), room):
        cohort = Cohort(CohortPlan(len(done), tuple(members[begin : begin + room])), arena)
        for _ in train(cohort, metric.function, metric.maximise, metric.view):
            pass
        best = (cohort.best, cohort.best_buffers, tuple(cohort.records))
        done.append(Trained(cohort.plan, *best, cohort.layout.parameters))
    epochs = [record.epochs for trained in done for record in trained.records]
    if not quiet:
        print(
            f"  {family} on {table.source}: {cost.parameters:,} parameters, {len(members)} networks, "
            f"{min(room, len(members))} at a time, {min(epochs)} to {max(epochs)} epochs, "
            f"{time.process_time() - start:.0f} s of processor time",
            flush=True,
        )
    model = assemble(problem, candidate, done, {})
    of_seed = [[p for p, m in enumerate(model.members) if m["seed"] == s] for s in range(seeds)]
    known, tests = (
        [table.frame[p.dataset.rows[rows]] for p, rows in zip(problems, which, strict=True)]
        for which in ([p.development for p in problems], [p.test for p in problems])
    )
    return Learned(problem, model, [model.subset(places) for places in of_seed], known, tests)


def side_by_side(make: Callable[..., Made], cases: Sequence[tuple[Any, ...]]) -> Iterator[Made]:
    """make(*case) of each case, in order: as many processes as there are cores, of one thread each.

    To networks as small as these a second thread is of next to no use. make: a function of a module.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(CORES, len(cases)), context, _one_thread) as pool:
        for made in [pool.submit(make, *case) for case in cases]:
            yield made.result()


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # PyTorch is not imported yet


def spread(values: list[float]) -> str:
    """Every seed's figure, for the line beside a mean."""
    return ", ".join(f"{value:.4g}" for value in values)
