"""Models with their first weights, of small problems of every kind: for what needs no training to be seen."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from coterie.data.table import Table
from coterie.model import Model
from coterie.models.catalogue import family_named
from coterie.models.shape import Shape
from coterie.study.fitted import rows_of
from coterie.study.problem import Problem, pose
from coterie.study.question import Question
from coterie.training.layout import Layout


def table_of(columns: dict) -> Table:
    return Table(pl.DataFrame(columns), "made", "made.csv", "0", ())


def problem_of(columns: dict, target: str, family: str, **asked) -> tuple[Problem, Question]:
    question = Question("made.csv", target=(target,) if isinstance(target, str) else target, models=(family,),
                        folds=2, **asked)  # fmt: skip
    return pose(question, table_of(columns)), question


def model_of(problem: Problem, name: str, members: int = 2, about: dict | None = None, **values) -> Model:
    """Members fitted in their preparation alone; weights from seeds 0, 1, …"""
    family, target = family_named(name)(**values), problem.schema.target
    flats, buffers = [], []
    training = rows_of(problem.dataset, problem.development)
    for seed in range(members):
        torch.manual_seed(seed)
        network = family.network(Shape.of(problem.schema), target.task, target.outputs)
        network.prepare.fit(training.inputs)
        if getattr(network.body, "fits", False):
            network.body.fit(network.prepare(training.inputs))
        flats.append(Layout.of(network).flat(dict(network.named_parameters())).detach())
        buffers.append({f"network.{n}": b.clone() for n, b in network.named_buffers()})
    stacked = {n: torch.stack([b[n] for b in buffers]) for n in buffers[0]}
    places = [{"fold": fold, "seed": 0} for fold in range(members)]
    return Model(problem.schema, family, torch.stack(flats), stacked, places, about or {})


def images(rows: int = 24) -> dict:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 17, (rows, 1, 6, 6)).astype(np.float32)
    return {"image": pl.Series(pixels), "kind": ["a", "b"] * (rows // 2)}


def waves(rows: int = 24) -> dict:
    rng = np.random.default_rng(0)
    steps = [rng.normal(size=n).tolist() for n in rng.integers(3, 9, rows)]
    return {"wave": steps, "kind": ["a", "b"] * (rows // 2), "up": [[int(v > 0) for v in s] for s in steps]}


def texts(rows: int = 24) -> dict:
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(list("abcd"), n)) for n in rng.integers(2, 6, rows)]
    return {"source": lines, "written": [line[::-1] for line in lines], "kind": ["x", "y"] * (rows // 2)}


def series(rows: int = 40, steps: int = 3) -> dict:
    values = np.arange(rows + steps) ** 1.5
    ahead = {f"sales+{k}": values[k : rows + k] for k in range(1, steps + 1)}
    return {"now": values[:rows], **ahead}
