"""A table whose truth is known, a model that knows it, and what the assessment makes of them."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.table import Table
from coterie.metrics.catalogue import METRICS, default_metric
from coterie.models.catalogue import FAMILIES
from coterie.study.assess import assess, member_validation
from coterie.study.baselines import Baseline
from coterie.study.fitted import rows_of
from coterie.study.problem import Problem, pose
from coterie.study.question import Question
from coterie.study.scores import pooled
from coterie.study.selection import MemberScore, scored
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe

N = 150


def columns(seed: int = 0, n: int = N) -> dict[str, list]:
    """A table in which `strong` says it all, `weak` and `noise` nothing."""
    rng = np.random.default_rng(seed)
    strong = rng.normal(size=n)
    days = pl.Series(rng.integers(0, 900, n)).cast(pl.Date)
    return {
        "strong": strong.tolist(),
        "noise": rng.normal(size=n).tolist(),
        "colour": rng.choice(["red", "green", "blue"], n).tolist(),
        "seen": days.dt.to_string("%Y-%m-%d").to_list(),
        "sex": rng.choice(["f", "m"], n).tolist(),
        "binary": np.where(strong + 0.3 * rng.normal(size=n) > 0, "ill", "well").tolist(),
        "multiclass": np.digitize(strong, [-0.5, 0.5]).astype(str).tolist(),
        "a": (strong > 0).astype(int).tolist(),
        "b": (strong > 1).astype(int).tolist(),
        "value": (3 * strong + 10 + 0.5 * rng.normal(size=n)).tolist(),
        "other": (-50 * strong + rng.normal(size=n)).tolist(),
    }


TARGETS = {
    "binary": ("binary",),
    "multiclass": ("multiclass",),
    "multilabel": ("a", "b"),
    "regression": ("value",),
    "values": ("value", "other"),
}


def table_of(task: str, features=("strong", "noise", "colour", "seen", "sex"), **more) -> Table:
    data = columns(**more)
    kept = [*features, *TARGETS[task]]
    return Table(pl.DataFrame({name: data[name] for name in kept}), "patients", "patients.csv", "0f", ())


class Fake:
    """Answers by the first numeric input alone, as well as can be."""

    def __init__(self, problem: Problem, about: dict | None = None, members: int = 3) -> None:
        self.schema, self.target = problem.schema, problem.roles.target
        self.task = self.target.task
        self.classes = self.target.classes or self.target.names
        self.members = [{"fold": fold, "seed": 0} for fold in range(members)]
        self.about = about or {}
        self.calls: list[int] = []

    def table(self, data, with_target: bool):
        return data

    def subset(self, places) -> Fake:
        return self

    def output(self, data: Dataset, rows: np.ndarray | None = None) -> Tensor:
        data = data if rows is None else rows_of(data, rows)
        self.calls.append(len(data))
        x = data.inputs["numeric"][:, 0].double().nan_to_num()
        if self.task == "regression":
            return torch.stack([3 * x + 10, -50 * x][: self.target.outputs], 1)
        if self.task == "multilabel":
            return torch.stack([(8 * x).sigmoid(), (8 * (x - 1)).sigmoid()], 1)
        if self.task == "binary":
            positive = (4 * x).sigmoid() if self.target.classes[1] == "ill" else (-4 * x).sigmoid()
            return torch.stack([1 - positive, positive], 1)
        return torch.stack([-3 * x, 0.75 - 3 * x.square(), 3 * x], 1).softmax(1)


def posed(task: str, test_size: float = 0.3, folds: int = 3, table: Table | None = None, **more) -> tuple:
    question = Question("patients.csv", target=TARGETS[task], test_size=test_size, folds=folds, **more)
    return pose(question, table or table_of(task)), question


def assessed(problem: Problem, question: Question, model: Fake | None = None, baselines=(), **more) -> tuple:
    model = model or Fake(problem)
    metric = METRICS[question.metric] if question.metric else default_metric(model.task)
    candidates = [Candidate(i, FAMILIES["mlp"](), Recipe(lr=lr)) for i, lr in enumerate((0.01, 0.02))]
    scores = [MemberScore(fold, 0, 0.1 * fold, 3, 5, "finished") for fold in range(len(problem.folds) or 1)]
    ranked = [scored(c, 1000, scores, 70, 35) for c in candidates]
    unseen = member_validation(problem, model)
    oof = pooled(unseen) if unseen else None
    facts, arrays = assess(
        problem,
        model,
        winner=ranked[1],
        ranked=ranked,
        oof=oof.output if oof else torch.zeros(0, model.target.outputs),
        oof_positions=oof.positions if oof else np.zeros(0, dtype=np.int64),
        baselines=baselines,
        metric=metric,
        question=question,
        context={
            "name": "patients",
            "command": "coterie fit patients.csv",
            "folder": "runs/patients-1",
            "searched": {"mlp": ["lr"]},
            "finished": True,
            "warnings": ["Mind the gap."],
            "compute": {"members": 6, "cohorts": 1, "seconds": 1.5, "device": "cpu"},
            "versions": {"coterie": "0.1.0"},
        },
        **more,
    )
    return facts, arrays, model


def constant(problem: Problem, name: str = "dummy", answer: Tensor | None = None) -> Baseline:
    """A baseline that always gives the same answer."""
    k = problem.roles.target.outputs
    answer = torch.full((k,), 1.0 / k if problem.roles.target.classes else 0.5) if answer is None else answer
    on_folds = tuple(answer.double().repeat(len(v), 1) for _, v in problem.folds)
    test = answer.double().repeat(len(problem.test), 1) if len(problem.test) else None
    return Baseline(name, f"the {name}", on_folds, test, "")


def broken(name: str = "ridge") -> Baseline:
    return Baseline(name, "ridge regression", (), None, "It could not be fitted: no.", True)
