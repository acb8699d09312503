"""What would be trained on, and what looks wrong, without training anything."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from coterie.data.describe import describe
from coterie.data.table import Table
from coterie.models.shape import Shape
from coterie.study.initial import Initial, open_initial, posed
from coterie.study.planning import costs_of, metric_of, number_asked
from coterie.study.question import SAMPLERS, Question


@dataclass(frozen=True)
class Inspection:
    """The facts of a look at the data; `str()` reads well in a notebook or a terminal."""

    source: str
    rows: int
    unusable_rows: int
    task: str
    target: tuple[str, ...]
    classes: dict[str, int]  # rows of each class or label
    columns: list[dict[str, Any]]
    inputs: str  # what a model is given
    development: int
    test: int
    split: str
    folds: int
    metric: str
    families: dict[str, int]  # candidates of each
    members: int
    parameters: int  # of the largest network
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"{self.source}: {self.rows:,} rows, {len(self.columns)} columns",
            f"task: {self.task} of {', '.join(self.target)}",
            f"split: {self.development:,} rows to develop on in {self.folds} folds ({self.split}), "
            f"{self.test:,} to test",
            f"would train: {self.members} networks of {', '.join(self.families)}, "
            f"at most {self.parameters:,} parameters",
        ]
        lines += [f"- {c['name']}: {c['kind']}, {c['role']}. {c['note']}".rstrip(". ") for c in self.columns]
        return "\n".join([*lines, *self.notes, *(f"warning: {w}" for w in self.warnings)])


def look(
    question: Question, table: Table, test: Table | None = None, initial: Initial | None = None
) -> Inspection:
    """Reads, types and splits as a fit would, and says what came of it. initial: what the question begins
    from, where it is open already."""
    if initial is None and question.init is not None:
        initial = open_initial(question.init)
    question = initial.asked(question) if initial else question
    both = posed(question, table, test, initial)
    problem, candidates = both.problem, both.candidates
    target = problem.roles.target
    costs = costs_of(candidates, problem)
    families = [c.family.name for c in candidates]
    y = problem.roles.y[problem.roles.keep]
    if target.task == "multilabel":
        classes = {name: int(y[:, k].sum()) for k, name in enumerate(target.names)}
    else:
        classes = {name: int(np.sum(y == k)) for k, name in enumerate(target.classes)}
    number, more = len(candidates), list[str]()
    if question.search in SAMPLERS:
        number = max(number, number_asked(question, problem))
        more.append(
            f"These are the first {len(candidates)} of {number} candidates: the others are asked of "
            f"Optuna's {question.search} sampler, by what the earlier came to."
        )
    capacity = problem.capacity_warning(costs[0].parameters)
    return Inspection(
        source=table.source,
        rows=len(problem.table.frame),
        unusable_rows=len(problem.table.frame) - len(problem.dataset),
        task=target.task,
        target=target.names,
        classes=classes,
        columns=describe(problem.table, problem.roles, problem.schema),
        inputs=str(Shape.of(problem.schema)),
        development=len(problem.development),
        test=len(problem.test),
        split=problem.split.kind,
        folds=len(problem.folds),
        metric=metric_of(question, problem).name,
        families={name: families.count(name) for name in dict.fromkeys(families)},
        members=number * max(1, len(problem.folds)) * question.seeds,
        parameters=max(cost.parameters for cost in costs.values()),
        notes=(*problem.notes, *more),
        warnings=problem.warnings + ((capacity,) if capacity else ()),
    )
